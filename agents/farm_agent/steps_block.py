"""One timed block: a fresh process, from its start to its samples, with what was seen around it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Dict, List, Mapping, Optional

from farm_agent import arms, child, codec, files, identity, memory, steps_process, watch
from farm_agent.block import BlockMessage, BlockRequest
from farm_agent.errors import FarmBug
from farm_agent.messages.gate import GateReport
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import TraceFile
from farm_agent.observe_pressure import Pressure
from farm_agent.steps_process import Keeper
from farm_agent.watch import Observation, Telemetry
from farm_agent.wire import BlockResult, JobSpec, MemoryPhase


def run_block(
    keeper: Keeper,
    spec: JobSpec,
    folder: Path,
    index: int,
    point: Mapping[str, str],
    telemetry: Telemetry,
    gate: Optional[GateReport] = None,
) -> None:
    """One fresh process, watched from outside; ``spec`` is that of the point's own arm."""
    arm = arms.arm_of(point)
    request = BlockRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / arms.FOLDERS[arm]),
        samples_path=str(folder / f"block-{index}.samples.gz"),
        plan=spec.plan,
        options=steps_process.options(spec),
        golden_path=steps_process.golden_path(spec, folder),
        memory_limit_bytes=spec.memory_limit_bytes,
        scenario=spec.scenario,
        scenario_options=spec.scenario_options,
        point=dict(point),
        harness=spec.harness,
    )
    path = folder / f"block-{index}.request.json"
    files.write_atomic(path, codec.dumps(request).encode())
    phases = Phases(telemetry, folder)
    try:
        argv = identity.agent_argv("_block", str(path))
        ended = child.run(argv, spec.process_timeout_s, phases.on_line)
    finally:
        phases.abandon()
    if arm == arms.CANDIDATE:
        keeper.note_versions(phases.versions)
    steps_process.raise_failure(keeper, f"block {index} ({spec.runtime})", ended, spec, phases.final)
    traces = watch.save(folder / f"block-{index}.traces.gz", phases.traces)
    result = replace(phases.result(index), point=dict(point), gate=gate, traces=traces)
    keeper.keep(replace(keeper.result, blocks=(*keeper.result.blocks, result)))
    keeper.emit(
        "block", {"block": index, "count": result.count, "steady": result.steady, "ended": result.ended}
    )


class Phases:
    """Looks at a block's process at the end of each phase and keeps its last message."""

    def __init__(self, telemetry: Telemetry, folder: Path) -> None:
        self.versions: Dict[str, str] = {}
        self.final: Optional[BlockMessage] = None
        self.traces = TraceFile()
        self._telemetry = telemetry
        self._folder = folder
        self._memory: List[MemoryPhase] = []
        self._pressure = Pressure()
        self._observation: Optional[Observation] = None
        self._observed: Optional[Observed] = None

    def on_line(self, pid: int, line: bytes) -> bool:
        """True: the process waits for its byte."""
        message = codec.loads(BlockMessage, line)
        if not message.phase:
            self.final = message
            return False
        self.versions.update(message.versions)
        if message.phase == "measured" and self._observation is not None:
            self._pressure.end()
            self._observed, self.traces = self._observation.end()
        read = memory.read(pid, message.phase)
        self._memory.append(replace(read, harness_bytes=message.harness_bytes))
        if message.phase == "first-inference":
            self._observation = Observation(self._telemetry, pid, self._folder)
            self._observation.begin()
            self._pressure.begin()
        return True

    def abandon(self) -> None:
        """The process is gone; one that died in its measured phase is watched no longer."""
        if self._observation is not None:
            self._observation.abandon()

    def result(self, index: int) -> BlockResult:
        """Raises FarmBug when the process ended well without saying what it measured."""
        final = self.final
        if final is None or final.timings is None or final.samples is None:
            raise FarmBug(
                f"block {index} ended without a result", code="farm.block", fix="please report this"
            )
        timings = codec.encode(final.timings)
        return BlockResult(
            index=index,
            samples=final.samples,
            memory=tuple(self._memory),
            cpu_pressure_pct=self._pressure.share_pct(),
            observed=self._observed,
            **timings,
        )
