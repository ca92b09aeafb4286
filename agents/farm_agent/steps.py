"""A job's processes, one after another: one check, the timed blocks, one evaluation."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Protocol

from farm_agent import (
    check,
    child,
    codec,
    evaluate,
    faults,
    files,
    identity,
    layers,
    memory,
    scenarios,
    sysfs,
)
from farm_agent.block import BlockMessage, BlockRequest
from farm_agent.errors import FarmBug, FarmError
from farm_agent.wire import BlockResult, JobResult, JobSpec, MemoryPhase


class Keeper(Protocol):
    """What the steps need of the supervisor."""

    result: JobResult

    def emit(self, kind: str, data: Dict[str, Any]) -> None: ...

    def keep(self, result: JobResult) -> None: ...

    def note_versions(self, versions: Dict[str, str]) -> None: ...

    def log(self, text: str) -> None: ...


def run_all(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """Raises the first error; what was finished before it is kept."""
    run_check(keeper, spec, folder)
    for index, point in enumerate(scenarios.load(spec.scenario).points(spec)):
        run_block(keeper, spec, folder, index, point)
    if spec.profile_ops:
        layers.run(keeper, spec, folder)
    if spec.dataset is not None:
        run_evaluation(keeper, spec, folder)


def run_check(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """Prove on this device that the artifact computes what the source model does, before any timing."""
    keeper.emit("phase", {"phase": "check"})
    request = check.CheckRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / "artifact"),
        golden=spec.golden,
        golden_path=_golden_path(spec, folder),
        options=_options(spec),
        memory_limit_bytes=spec.memory_limit_bytes,
        die_with_parent=True,
    )
    response = _task(keeper, spec, folder, "check", request, check.CheckResponse)
    keeper.note_versions({"runtime": response.runtime_version})
    keeper.keep(replace(keeper.result, check=response.check, proof=response.proof))
    if response.check is not None:
        keeper.emit("phase", {"phase": "checked", "passed": response.check.passed})
        if not response.check.passed:
            raise check.mismatch(response.check, spec.runtime)


def run_evaluation(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """Accuracy over the labelled samples."""
    if spec.dataset is None:
        return
    keeper.emit("phase", {"phase": "evaluate"})
    request = evaluate.EvaluateRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / "artifact"),
        dataset=spec.dataset,
        dataset_path=str(_stored(folder, spec.dataset.blob.sha256)),
        options=_options(spec),
        memory_limit_bytes=spec.memory_limit_bytes,
    )
    response = _task(keeper, spec, folder, "evaluate", request, evaluate.EvaluateResponse)
    keeper.keep(replace(keeper.result, accuracy=response.accuracy))


def run_block(keeper: Keeper, spec: JobSpec, folder: Path, index: int, point: Mapping[str, str]) -> None:
    """One fresh process, watched from outside."""
    keeper.emit("progress", {"block": index, "blocks": spec.plan.blocks})
    request = BlockRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / "artifact"),
        samples_path=str(folder / f"block-{index}.samples.gz"),
        plan=spec.plan,
        options=_options(spec),
        golden_path=_golden_path(spec, folder),
        memory_limit_bytes=spec.memory_limit_bytes,
        scenario=spec.scenario,
        scenario_options=spec.scenario_options,
        point=dict(point),
        harness=spec.harness,
    )
    path = folder / f"block-{index}.request.json"
    files.write_atomic(path, codec.dumps(request).encode())
    watch = Watch()
    argv = identity.agent_argv("_block", str(path))
    ended = child.run(argv, spec.process_timeout_s, watch.on_line)
    keeper.note_versions(watch.versions)
    _raise_failure(keeper, f"block {index} ({spec.runtime})", ended, spec, watch.final)
    result = replace(watch.result(index), point=dict(point))
    keeper.keep(replace(keeper.result, blocks=(*keeper.result.blocks, result)))
    keeper.emit(
        "block", {"block": index, "count": result.count, "steady": result.steady, "ended": result.ended}
    )


class Watch:
    """Reads a block's memory at the end of each phase and keeps its last message."""

    def __init__(self) -> None:
        self.versions: Dict[str, str] = {}
        self.final: Optional[BlockMessage] = None
        self._phases: List[MemoryPhase] = []
        self._stalled: List[Optional[int]] = []
        self._times_ns: List[int] = []

    def on_line(self, pid: int, line: bytes) -> bool:
        """True: the process waits for its byte."""
        message = codec.loads(BlockMessage, line)
        if not message.phase:
            self.final = message
            return False
        self.versions.update(message.versions)
        if message.phase == "measured":
            self._mark()
        self._phases.append(memory.read(pid, message.phase))
        if message.phase == "first-inference":
            self._mark()
        return True

    def _mark(self) -> None:
        self._stalled.append(sysfs.cpu_stalled_us())
        self._times_ns.append(time.monotonic_ns())

    def cpu_pressure_pct(self) -> Optional[float]:
        """Percent of warm-up and block in which some task waited for a CPU; None: not known."""
        if len(self._stalled) != 2 or self._stalled[0] is None or self._stalled[1] is None:
            return None
        elapsed_us = max(1, (self._times_ns[1] - self._times_ns[0]) // 1000)
        return 100.0 * (self._stalled[1] - self._stalled[0]) / elapsed_us

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
            memory=tuple(self._phases),
            cpu_pressure_pct=self.cpu_pressure_pct(),
            **timings,
        )


def _task(keeper: Keeper, spec: JobSpec, folder: Path, name: str, request: object, kind: Any) -> Any:  # noqa: ANN401
    """Run ``_check`` or ``_evaluate`` and return its response. Raises its failure."""
    asked, answered = folder / f"{name}.request.json", folder / f"{name}.response.json"
    files.write_atomic(asked, codec.dumps(request).encode())
    argv = identity.agent_argv(f"_{name}", str(asked), str(answered))
    ended = child.run(argv, spec.process_timeout_s)
    response = codec.loads(kind, files.read_bounded(answered)) if answered.exists() else None
    _raise_failure(keeper, f"the {name} ({spec.runtime})", ended, spec, response)
    if response is None:
        # A response that could not be written: the disk says why, if anything does.
        files.write_atomic(answered, b"x" * 65536)
        raise FarmBug(f"the {name} ended without a response", code="farm.task", fix="please report this")
    return response


def _raise_failure(keeper: Keeper, what: str, ended: child.Ended, spec: JobSpec, said: Any) -> None:  # noqa: ANN401
    """What the process said itself counts before how it ended."""
    if ended.stderr:
        keeper.log(f"--- {what}\n{ended.stderr}\n")
    error: Optional[FarmError] = child.failure(what, ended, spec.process_timeout_s)
    if said is not None and said.failure is not None:
        error = said.failure.to_error()
        if spec.memory_limit_bytes and faults.STARVED.search(ended.stderr):
            # numpy hides behind other errors that it could not be loaded for want of memory.
            error = child.out_of_memory(what, faults.shorten(ended.stderr[-300:]))
    if error is not None:
        raise error


def _options(spec: JobSpec) -> Dict[str, Any]:
    return {**spec.options, "threads": spec.threads}


def _golden_path(spec: JobSpec, folder: Path) -> Optional[str]:
    return str(_stored(folder, spec.golden.blob.sha256)) if spec.golden is not None else None


def _stored(folder: Path, sha256: str) -> Path:
    return folder.parent.parent / "cas" / files.safe_sha256(sha256)
