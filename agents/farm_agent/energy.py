"""Energy of a job: after the blocks, one process with an idle, a busy and another idle window.

Where nothing can be read, neither a sensor here nor a meter outside, nothing runs: the result says why,
sensor by sensor. An energy run that fails leaves the job's other numbers unharmed.
"""

from __future__ import annotations

import gzip
import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Dict, Optional, Sequence

from farm_agent import child, codec, faults, files, identity, steps_process
from farm_agent.energy_process import EnergyMessage, EnergyRequest
from farm_agent.energy_sampler import Sampler, Source, open_sources
from farm_agent.errors import FarmBug, FarmError
from farm_agent.messages.energy import EnergyPlan, EnergyRun
from farm_agent.messages.traces import TraceFile
from farm_agent.observe import Observer
from farm_agent.wire import Blob, JobSpec

if TYPE_CHECKING:
    from farm_agent.steps_process import Keeper

# A window must have so many updates of the sensor that counts, with a margin; none is longer than this.
UPDATES = 120
LONGEST_WINDOW_NS = 600_000_000_000
LEAST_WINDOW_NS = 30_000_000_000
TRACES_NAME = "energy.traces.gz"


def run(keeper: Keeper, spec: JobSpec, folder: Path, wait: Callable[[], object] = lambda: None) -> None:
    """Measure and keep an EnergyRun. Never raises but for a job that is stopped.

    ``wait``: returns when the device is quiet, or raises FarmError; not called if nothing can be read.
    """
    plan = spec.energy
    if plan is None:
        return
    sources, missing = open_sources(plan.sensors or spec.sensors, every=True)
    if not plan.signature and not any(source.power for source in sources):
        for source in sources:
            source.sensor.close()
        keeper.emit("phase", {"phase": "energy-skipped"})
        keeper.keep(replace(keeper.result, energy=EnergyRun((), 0, "", unavailable=missing)))
        return
    plan = stretched(plan, sources)
    sampler = Sampler(sources)
    try:
        wait()
        done = _windows(keeper, spec, plan, folder, sampler)
    except FarmError as error:
        sampler.end()
        done = EnergyRun((), 0, "", error_code=error.code, error_message=faults.shorten(error.message))
    except BaseException:
        sampler.end()
        raise
    keeper.keep(replace(keeper.result, energy=replace(done, unavailable=missing)))
    keeper.emit("phase", {"phase": "energy-end"})


def stretched(plan: EnergyPlan, sources: Sequence[Source]) -> EnergyPlan:
    """The plan with a window long enough for the fastest power sensor here; a window that was asked to be
    too short to count stays so."""
    power = [source.updates_s() for source in sources if source.power]
    if not power or plan.window_ns < LEAST_WINDOW_NS:
        return plan
    needed_ns = min(LONGEST_WINDOW_NS, int(UPDATES * min(power) * 1e9))
    return replace(plan, window_ns=max(plan.window_ns, needed_ns))


def _windows(keeper: Keeper, spec: JobSpec, plan: EnergyPlan, folder: Path, sampler: Sampler) -> EnergyRun:
    """Raises FarmError when the process fails."""
    request = EnergyRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / "artifact"),
        energy=plan,
        warmup=spec.plan,
        options=steps_process.options(spec),
        golden_path=steps_process.golden_path(spec, folder),
        memory_limit_bytes=spec.memory_limit_bytes,
        harness=spec.harness,
    )
    path = folder / "energy.request.json"
    files.write_atomic(path, codec.dumps(request).encode())
    final: Optional[EnergyMessage] = None
    others = Others(folder)

    def on_line(pid: int, line: bytes) -> bool:
        nonlocal final
        message = codec.loads(EnergyMessage, line)
        others.turn(pid, message.phase)
        if not message.phase:
            final = message
            return False
        sampler.begin()
        keeper.emit("phase", {"phase": "energy", "window": message.phase, "seconds": _seconds(plan, message)})
        return True

    keeper.emit("phase", {"phase": "energy", "window": "load", "seconds": 0.0})
    limit_s = (
        spec.process_timeout_s + (plan.window_ns + 2 * plan.idle_ns) / 1e9 + 12 * plan.burst_ns / 1e9 + 60.0
    )
    ended = child.run(identity.agent_argv("_energy", str(path)), limit_s, on_line)
    told = sampler.end()
    if ended.stderr:
        keeper.log(f"--- energy ({spec.runtime})\n{ended.stderr}\n")
    if final is not None and final.failure is not None:
        raise final.failure.to_error()
    error = child.failure(f"the energy run ({spec.runtime})", ended, limit_s)
    if error is not None:
        raise error
    if final is None:
        raise FarmBug("the energy run ended without a result", code="farm.energy", fix="please report this")
    return EnergyRun(
        windows=tuple(replace(w, other_cpu_pct=others.used_pct.get(w.name)) for w in final.windows),
        inferences=final.inferences,
        harness=final.harness,
        edges_ns=final.edges_ns,
        traces=save(folder / TRACES_NAME, told),
    )


class Others:
    """What other programs used in each window: they draw power, too."""

    def __init__(self, folder: Path) -> None:
        self.used_pct: Dict[str, float] = {}
        self._folder = str(folder)
        self._name = ""
        self._observer: Optional[Observer] = None

    def turn(self, pid: int, phase: str) -> None:
        """One window is over and another begins; signatures load the device themselves."""
        if self._observer is not None:
            other_pct = self._observer.end().other_cpu_pct
            if other_pct is not None:
                self.used_pct[self._name] = other_pct
        self._name, self._observer = phase, None
        if phase and not phase.startswith("signature"):
            self._observer = Observer(pid, self._folder)
            self._observer.begin()


def save(path: Path, told: TraceFile) -> Blob:
    """Write the traces, gzip of their JSON; equal traces give equal bytes."""
    data = gzip.compress(codec.dumps(told).encode(), 6)
    data = data[:4] + b"\0\0\0\0" + data[8:]
    files.write_atomic(path, data, durable=True)
    return Blob(hashlib.sha256(data).hexdigest(), len(data), path.name)


def _seconds(plan: EnergyPlan, message: EnergyMessage) -> float:
    lengths = {"busy": plan.window_ns, "idle-before": plan.idle_ns, "idle-after": plan.idle_ns}
    return lengths.get(message.phase, 6 * plan.burst_ns) / 1e9
