"""The nights' bench that drives devices: the same planning, jobs and A/B as ``farm bench``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.cell_series import series_of
from farm.errors import FarmError, InfrastructureError, UsageError
from farm.nightly.bench import Began, Say, Wanted
from farm.nightly.content import of_cell
from farm.nightly.listening import Listening
from farm.nightly.settings import Matrix, NightlySettings
from farm.plan import Cell, Plan, Request

if TYPE_CHECKING:
    from farm.config import Config
    from farm.devices.device import Device
    from farm.progress import Reporter
    from farm_agent.wire import Facts
    from farm_profiles import Profile
    from farm_results.comparison import Comparison
    from farm_results.model import Result

AT_ONCE = 16
LABEL = "nightly"
SKIPPED = "skipped"

Group = tuple[str, Path | None]
"""What one run can hold: a scenario and the samples that it evaluates."""


@dataclass(frozen=True)
class Planned:
    """A cell with the request it came from."""

    cell: Cell
    request: Request
    canary: bool = False

    @property
    def group(self) -> Group:
        """Cells of one group are measured in one run."""
        return self.request.measure.scenario, self.request.data


class RealBench:
    """See ``farm.nightly.bench.Bench``. ``reporter``: makes what tells of a run while it goes on."""

    origin = ""

    def __init__(
        self,
        config: Config,
        settings: NightlySettings,
        reporter: Callable[[], Reporter],
        command: Sequence[str] = (),
    ) -> None:
        self.stop = threading.Event()
        self._config = config
        self._settings = settings
        self._reporter = reporter
        self._command = tuple(command)
        self._planned: dict[str, Planned] = {}
        self._begun_s: float | None = None

    def now_unix_s(self) -> float:
        """This machine's clock."""
        return time.time()

    def matrix(self, say: Say) -> Sequence[Wanted]:
        """Every cell of the settings, by what the devices themselves say they have. Devices are asked in
        parallel; one that does not answer fails its cells."""
        from farm.benchmark import plan_for

        plans: list[tuple[Matrix, Plan]] = []
        for matrix in self._settings.matrices:
            for scenario in matrix.scenarios:
                request = self._request(matrix, scenario)
                plans.append((matrix, plan_for(request, self._config, say)))
        _refuse_twins([Planned(cell, plan.request) for _, plan in plans for cell in plan.cells])
        devices = {cell.device.name: cell for _, plan in plans for cell in plan.cells}
        say(f"asking {len(devices)} device{'s' * (len(devices) != 1)} what they have")
        facts = self._ask([(cell.device, cell.profile) for cell in devices.values()])
        found: dict[str, Wanted] = {}
        if self._settings.canary:
            for cell in devices.values():
                self._add_canary(found, cell.device, cell.profile, facts[cell.device.name])
        for matrix, plan in plans:
            for cell in plan.cells:
                planned = Planned(cell, plan.request)
                self._add(found, planned, facts[cell.device.name], matrix.priority)
        return tuple(found.values())

    def measure(
        self, night_id: str, chosen: Sequence[Wanted], began: Began, ended: Callable[[Result], None]
    ) -> bool:
        """A run per scenario and set of samples; devices in parallel. No cell begins after the budget."""
        from farm.benchmark import execute

        self._begun_s = self._begun_s or time.monotonic()
        runs = self._runs(night_id, chosen)
        began({key: cell.job_id for _, cells in runs for key, cell in cells.items()})
        for plan, _ in runs:
            if self.stop.is_set():
                return False
            left_s = self._settings.budget_s - (time.monotonic() - self._begun_s)
            bounded = replace(plan, request=replace(plan.request, budget_s=max(1.0, left_s)))
            reporter = Listening(self._reporter(), ended)
            if execute(bounded, self._config, reporter, command=self._command).interrupted:
                self.stop.set()
                return False
        return True

    def confirm(
        self, night_id: str, device: str, reference_job_id: str, candidate_job_id: str, *, pairs: int
    ) -> Comparison:
        """``farm.ab.confirm``, under the run that measured the candidate."""
        from farm import ab
        from farm.progress import Silent

        del night_id
        run_id = candidate_job_id.rpartition("-")[0]
        terms = ab.Terms(run_id=run_id, wait_s=self._settings.wait_s, gate=self._settings.gate)
        return ab.confirm(
            self._config,
            device,
            reference_job_id,
            candidate_job_id,
            pairs=pairs,
            reporter=Silent(),
            terms=terms,
            stop=self.stop,
        )

    def _runs(self, night_id: str, chosen: Sequence[Wanted]) -> list[tuple[Plan, dict[str, Cell]]]:
        """A plan per group with the cells, by key, in the order given."""
        from farm.benchmark import new_run_id

        groups: dict[Group, list[tuple[str, Planned]]] = {}
        for each in chosen:
            planned = self._planned[each.key]
            groups.setdefault(planned.group, []).append((each.key, planned))
        found = []
        for members in groups.values():
            run_id = new_run_id()
            cells = {
                key: replace(planned.cell, job_id=f"{run_id}-{number:03d}")
                for number, (key, planned) in enumerate(members)
            }
            request = replace(members[0][1].request, labels={LABEL: night_id})
            found.append((Plan(run_id, request, (), tuple(cells.values())), cells))
        return found

    def _request(self, matrix: Matrix, scenario: str) -> Request:
        from farm.benchmark import with_sample
        from farm.measure import Measure, plan_of, scenario_options
        from farm_agent.wire import GatePlan

        settings = self._settings
        blocks = plan_of(
            scenario=scenario,
            smoke=settings.smoke,
            blocks=settings.blocks,
            min_time_s=None if scenario == "sustained" else settings.min_time_s,
            min_runs=settings.min_runs,
            max_time_s=None if scenario == "sustained" else settings.max_time_s,
        )
        measure = Measure(
            scenario=scenario,
            scenario_options=scenario_options(scenario, smoke=settings.smoke),
            gate=GatePlan() if settings.gate else None,
            profile_ops=settings.profile_ops,
        )
        return with_sample(
            Request(
                models=models_now(matrix.models),
                devices=matrix.devices,
                runtimes=matrix.runtimes,
                precisions=matrix.precisions,
                threads=matrix.threads,
                batch=matrix.batch,
                data=matrix.data,
                calib=matrix.calib,
                blocks=blocks,
                measure=measure,
                wait_s=settings.wait_s,
            )
        )

    def _ask(self, devices: Sequence[tuple[Device, Profile]]) -> dict[str, Facts | FarmError]:
        from farm.survey import ask
        from farm_agent import pack

        packed = pack.build(self._config.cache_dir / "agents")
        with ThreadPoolExecutor(min(AT_ONCE, max(1, len(devices)))) as pool:
            answers = pool.map(lambda pair: ask(pair[0], pair[1], packed), devices)
            return {device.name: answer for (device, _), answer in zip(devices, answers, strict=True)}

    def _add_canary(
        self, found: dict[str, Wanted], device: Device, profile: Profile, facts: Facts | FarmError
    ) -> None:
        """The bundled network in the first runtime that the device has."""
        from farm.benchmark import plan_for
        from farm.health.canary import chosen
        from farm.sample import sample_model

        if isinstance(facts, FarmError):
            return  # its other cells tell of it
        try:
            target = chosen(profile, facts)
        except FarmError:
            return
        request = replace(
            self._request(Matrix(models=(sample_model(),)), "latency"),
            devices=(f"name:{device.name}",),
            targets=(target,),
        )
        plan = plan_for(request, self._config)
        for cell in plan.cells:
            self._add(found, Planned(cell, plan.request, canary=True), facts, 0)

    def _add(
        self, found: dict[str, Wanted], planned: Planned, facts: Facts | FarmError, priority: int
    ) -> None:
        cell = planned.cell
        series = series_of(cell, planned.request.measure)
        if series in found:
            return
        problem = cell.error or self._problem(planned, facts)
        if isinstance(facts, FarmError) or problem is not None:
            content: dict[str, str] = {}
        else:
            content = of_cell(cell, facts, planned.request.measure.pins)
        self._planned[series] = planned
        found[series] = Wanted(
            key=series,
            device=cell.device.name,
            model=cell.model_name,
            what=_what(planned),
            series=series,
            priority=priority,
            canary=planned.canary,
            content=content,
            estimate_s=_estimate_s(planned),
            problem=problem.message if problem else "",
            problem_code=problem.code if problem else "",
        )

    def _problem(self, planned: Planned, facts: Facts | FarmError) -> FarmError | None:
        from farm.worker import runtime_problem

        if isinstance(facts, FarmError):
            return facts
        if planned.cell.skip:
            return InfrastructureError(planned.cell.skip, code=SKIPPED)
        try:
            skip = runtime_problem(planned.request, planned.cell, facts)
        except FarmError as error:
            return error
        return InfrastructureError(skip, code=SKIPPED) if skip else None


def models_now(models: Sequence[Path]) -> tuple[Path, ...]:
    """The models, patterns replaced by the files that they match now, in the order of their names.

    Raises UsageError ``nightly.nothing`` for a pattern that matches none.
    """
    files: list[Path] = []
    for path in models:
        if not set("*?[") & set(str(path)) or path.exists():
            files.append(path)
            continue
        there = Path(path.anchor or ".").glob(str(path.relative_to(path.anchor)))
        matched = sorted(each for each in there if each.is_file())
        if not matched:
            raise UsageError(
                f"models of [nightly] name {path}, and no file is called so",
                code="nightly.nothing",
                fix="correct the pattern in farm.toml, or put the models there",
            )
        files += matched
    return tuple(dict.fromkeys(files))


def _refuse_twins(planned: Sequence[Planned]) -> None:
    """Two files of one name would share a series, and look like one model that changes every night."""
    first: dict[str, Path] = {}
    for each in planned:
        model = each.cell.model
        if model is None:
            continue
        path = first.setdefault(series_of(each.cell, each.request.measure), model.path)
        if path != model.path:
            raise UsageError(
                f"two models of [nightly] are called {each.cell.model_name}: their series would be one",
                code="nightly.same-name",
                fix=f"rename {model.path} or {path}",
            )


def _what(planned: Planned) -> str:
    target, scenario = planned.cell.target, planned.request.measure.scenario
    batch = f" batch {planned.cell.batch}" if (planned.cell.batch or 1) > 1 else ""
    extra = "" if scenario == "latency" else f" {scenario}"
    return f"{target.runtime} {target.precision} ×{target.threads}{batch}{extra}"


def _estimate_s(planned: Planned) -> float:
    from farm.outline import outline

    return outline(planned.request.blocks, planned.request.measure).least_s
