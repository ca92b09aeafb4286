"""A bench whose devices are numbers: what each series takes tonight, and what an A/B would say."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from farm.errors import JobError
from farm.nightly.bench import AA, AB, Began, Say, Wanted
from farm_results.comparison import FASTER, INCONCLUSIVE, SAME, SLOWER, Comparison, Effect, Side
from farm_results.history import comparisons
from farm_results.model import Result
from farm_results.series import key_of, series_id
from farm_results.store import Store
from tests.results import made

DAY_S = 86_400.0


@dataclass
class Cell:
    """One series of the simulated world. ``value_ns``: what its present artifact takes tonight; ``old_ns``:
    what its baseline's would take tonight; None: as it did when it was measured."""

    model: str = "net"
    device: str = "pi"
    value_ns: float = 5e6
    artifact: str = "a1"
    old_ns: float | None = None
    canary: bool = False
    kernel: str = "6.1"
    runtime_version: str = "1.20"
    problem: str = ""
    fails: bool | str = False
    priority: int = 0

    def result(self, job_id: str = "", run_id: str = "", at_unix_s: float = 0.0) -> Result:
        """What measuring it leaves in the store."""
        latency = made.latency(
            p50_ns=self.value_ns, p50_low_ns=0.99 * self.value_ns, p50_high_ns=1.01 * self.value_ns
        )
        document = {
            "facts": {"cpu": "A72", "cores": 4, "kernel": self.kernel, "details": {}},
            "spec": {},
            "artifact": {"key": self.artifact, "toolchain": {}},
            "job": {"started_unix_s": at_unix_s, "ended_unix_s": at_unix_s + 60.0},
        }
        found = made.result(
            job_id,
            run_id=run_id,
            created_unix_s=at_unix_s,
            model=self.model,
            model_sha256=f"sha-{self.artifact}",
            artifact_sha256=f"file-{self.artifact}",
            device=self.device,
            runtime_version=self.runtime_version,
            latency=latency,
            document=document,
        )
        if self.fails:
            code = self.fails if isinstance(self.fails, str) else "job.x"
            text = f"it broke: {code}"
            return replace(found, status="failed", latency=None, error_code=code, error_message=text)
        return found

    @property
    def series(self) -> str:
        """Its series."""
        return series_id(key_of(self.result()))


@dataclass
class FakeBench:
    """See ``farm.nightly.bench.Bench``. ``die_after``: the process dies after so many results (by an
    exception that nothing catches); ``noisy``: A/Bs cannot tell."""

    store: Store
    cells: list[Cell]
    now_s: float = 1_700_000_000.0
    origin: str = ""
    die_after: int | None = None
    interrupt_after: int | None = None
    noisy: bool = False
    refuse: str = ""
    asked: list[tuple[str, str, str]] = field(default_factory=list)
    stop: threading.Event = field(default_factory=threading.Event)
    runs: int = 0

    def now_unix_s(self) -> float:
        """The night's clock."""
        return self.now_s

    def matrix(self, say: Say) -> Sequence[Wanted]:
        """Every cell."""
        del say
        return [
            Wanted(
                key=cell.series,
                device=cell.device,
                model=cell.model,
                what="onnxruntime fp32 ×2",
                series=cell.series,
                priority=cell.priority,
                canary=cell.canary,
                problem=cell.problem,
                problem_code="device.unreachable" if cell.problem else "",
            )
            for cell in self.cells
        ]

    def measure(
        self, night_id: str, chosen: Sequence[Wanted], began: Began, ended: Callable[[Result], None]
    ) -> bool:
        """Store a result of each."""
        self.runs += 1
        run_id = f"{night_id}-run{self.runs}"
        self.store.add_run(replace(made.run(run_id, self.now_s), labels={"nightly": night_id}))
        by_series = {cell.series: cell for cell in self.cells}
        jobs = {each.key: f"{run_id}-{number:03d}" for number, each in enumerate(chosen)}
        began(jobs)
        for number, each in enumerate(chosen):
            if self.die_after is not None and number >= self.die_after:
                raise SystemError("killed")
            if self.interrupt_after is not None and number >= self.interrupt_after:
                return False
            result = by_series[each.key].result(jobs[each.key], run_id, self.now_s)
            self.store.add_result(result)
            ended(result)
        return True

    def confirm(
        self, night_id: str, device: str, reference_job_id: str, candidate_job_id: str, *, pairs: int
    ) -> Comparison:
        """What the cell says of its old and its new artifact tonight."""
        self.asked.append((device, reference_job_id, candidate_job_id))
        if self.refuse:
            raise JobError("it is not kept", code=self.refuse)
        reference, candidate = self.store.result(reference_job_id), self.store.result(candidate_job_id)
        series = series_id(key_of(candidate))
        cell = next(cell for cell in self.cells if cell.series == series)
        same = reference.artifact_sha256 == candidate.artifact_sha256
        assert reference.latency is not None
        before = cell.value_ns if same else (cell.old_ns or reference.latency.p50_ns)
        ratio = cell.value_ns / before - 1.0
        word = SLOWER if ratio > 0.012 else FASTER if ratio < -0.012 else SAME
        found = Comparison(
            comparison_id=f"cmp-{len(self.asked)}-{candidate_job_id}",
            created_unix_s=self.now_s,
            kind=AA if same else AB,
            series=series,
            device=device,
            run_id=candidate.run_id,
            reference=_side(reference, before, pairs),
            candidate=_side(candidate, cell.value_ns, pairs),
            word=INCONCLUSIVE if self.noisy else word,
            pairs=pairs,
            effect=Effect(ratio, ratio - 0.004, ratio + 0.004, 0.99, 0.01),
            origin=self.origin,
        )
        comparisons.add(self.store, found)
        return found


def _side(result: Result, median_ns: float, pairs: int) -> Side:
    return Side(
        label=result.job_id,
        model=result.model,
        model_sha256=result.model_sha256,
        artifact_sha256=result.artifact_sha256,
        runtime=result.runtime,
        runtime_version=result.runtime_version,
        job_id=result.job_id,
        medians_ns=(median_ns,) * pairs,
    )
