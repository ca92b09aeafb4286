"""A simulated job as a device would leave it: its spec, its result, its files. Everything after is real."""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from farm.demo import parts, telemetry
from farm.demo.fleet import ENTRIES, VERSIONS, Entry, Machine, machine, network
from farm.demo.story import Story, sha256
from farm_agent.messages.energy import EnergyRun
from farm_agent.messages.gate import GateReport
from farm_agent.wire import Blob, BlockResult, CheckResult, JobResult, MemoryPhase

if TYPE_CHECKING:
    from farm.fetch import Fetched
    from farm.jobs.context import JobContext

PROCESSES, ROWS = 5, 120
ITERATION = 0.004
START_NS = 1_000_000_000_000
JOB, TURNS = 1, 2


@dataclass(frozen=True)
class Night:
    """One night of one device. ``hot`` and ``busy``: what disturbs its measurements."""

    number: int
    story: Story
    unix_s: float
    seed: int = 0
    hot: bool = False
    busy: bool = False

    def rng(self, entry: Entry, purpose: int = 0) -> np.random.Generator:
        """The chance of one cell in this night, by the seed. ``purpose``: 0 luck, 1 job, 2 turns."""
        return np.random.default_rng((self.seed, self.number, ENTRIES.index(entry), purpose))


def process_medians(
    entry: Entry, night: Night, rng: np.random.Generator, *, factor: float, count: int = PROCESSES
) -> list[float]:
    """Medians of the processes in ns: the luck of the night, which is the same whatever is measured of the
    cell then, and each process's own. ``factor``: what the artifact and the device bring."""
    box = machine(entry.device)
    level = entry.milliseconds * 1e6 * factor * (1.2 if night.hot else 1.0)
    luck = night.rng(entry).normal(0.0, box.night)
    spread = box.between * (6.0 if night.busy else 1.0)
    return [float(level * np.exp(luck + own)) for own in rng.normal(0.0, spread, count)]


def made(entry: Entry, night: Night, run_id: str, job_id: str, folder: Path) -> tuple[JobContext, Fetched]:
    """The job of one cell in one night, with its files in ``folder``."""
    from farm.fetch import Fetched

    box, net = night.story.machine(machine(entry.device), night.number), network(entry.model)
    spec = parts.spec_of(entry, box, net, night.story, night.number, job_id)
    rng = night.rng(entry, JOB)
    medians = process_medians(entry, night, rng, factor=night.story.factor(entry, night.number))
    blocks = [_block(box, entry, night, index, each, folder, rng) for index, each in enumerate(medians)]
    middle_ns = float(np.median(medians))
    energy = _energy(entry, box, middle_ns, folder, rng)
    result = JobResult(
        job_id=job_id,
        outcome="ok",
        failure=None,
        blocks=tuple(blocks),
        check=CheckResult(passed=True, max_abs_error=2e-6, max_reference=1.0, cosine=1.0, samples=4),
        proof=parts.proof_of(entry),
        accuracy=parts.accuracy_of(entry, net),
        runtime_version=VERSIONS[entry.runtime],
        environment={"simulated": True},
        agent_sha256=sha256("agent"),
        started_unix_s=night.unix_s,
        ended_unix_s=night.unix_s + 90.0,
        energy=energy,
        layers=parts.layers_of(entry, net, middle_ns / 1e3, stepped=night.story.stepped(entry, night.number)),
    )
    fetched = Fetched(
        spec,
        result,
        tuple(folder / block.samples.name for block in blocks),
        0,
        0,
        tuple(folder / block.traces.name for block in blocks if block.traces is not None),
        None if energy is None or energy.traces is None else folder / energy.traces.name,
    )
    return parts.context_of(entry, box, night.story, night.number, run_id, spec), fetched


def _block(
    box: Machine,
    entry: Entry,
    night: Night,
    index: int,
    median_ns: float,
    folder: Path,
    rng: np.random.Generator,
) -> BlockResult:
    """One process: its samples and telemetry as files."""
    taken = median_ns * np.exp(rng.normal(0.0, ITERATION, ROWS))
    if night.hot:
        taken *= np.linspace(0.97, 1.08, ROWS)
    slow = rng.random(ROWS) < 0.01
    taken = np.where(slow, taken * rng.uniform(1.1, 1.6, ROWS), taken).astype(np.int64)
    ends = START_NS * (index + 1) + np.cumsum(taken + 800)
    rows = np.stack([ends - taken, ends], axis=1)
    packed = gzip.compress(rows.astype("<i8").tobytes(), 1, mtime=0)
    samples = Blob(hashlib.sha256(packed).hexdigest(), len(packed), f"block-{index}.samples.gz")
    (folder / samples.name).write_bytes(packed)
    traces, hottest = telemetry.block_traces(
        box, (int(rows[0, 0]), int(ends[-1])), rng, folder / f"block-{index}.traces.gz", hot=night.hot
    )
    seen = parts.observed(box, int(ends[-1] - rows[0, 0]), hottest, hot=night.hot, busy=night.busy)
    size = parts.memory_bytes(network(entry.model), entry)
    return BlockResult(
        index=index,
        samples=samples,
        count=ROWS,
        import_ns=int(1.8e8 * rng.uniform(0.98, 1.02)),
        load_ns=int(2.0e7 * rng.uniform(0.95, 1.05) + 1.2 * median_ns),
        first_inference_ns=int(2.4 * median_ns),
        warmup_runs=60,
        warmup_ns=1_000_000_000,
        steady=True,
        ended="ci",
        harness="native",
        timer_step_ns=20,
        timer_cost_ns=40,
        memory=(
            MemoryPhase("started", 12_000_000, 12_000_000),
            MemoryPhase("imported", 30_000_000, 30_000_000),
            MemoryPhase("loaded", 30_000_000 + size // 2, 30_000_000 + size // 2),
            MemoryPhase("measured", 30_000_000 + size, 32_000_000 + size),
        ),
        cpu_pressure_pct=0.4,
        ci_half_width=0.002,
        observed=seen,
        gate=GateReport(passed=True, waited_s=2.0, attempts=1, checks=()),
        traces=traces,
    )


def _energy(
    entry: Entry, box: Machine, latency_ns: float, folder: Path, rng: np.random.Generator
) -> EnergyRun | None:
    if not box.sensor:
        return None
    load = min(1.0, 0.35 + 0.16 * entry.threads) * (0.82 if entry.precision == "int8" else 1.0)
    return telemetry.energy_run(box, latency_ns, load, rng, folder / "energy.traces.gz")


def disturbed(night: Night, box: Machine) -> Night:
    """The night as this device has it."""
    return replace(night, hot=night.story.hot(box, night.number), busy=night.story.busy(box, night.number))
