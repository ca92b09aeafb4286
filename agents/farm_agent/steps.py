"""A job's processes, one after another: one check, the timed blocks, one evaluation."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Any, Callable, Optional

from farm_agent import (
    arms,
    check,
    child,
    codec,
    files,
    identity,
    pins,
    steps_build,
    steps_process,
)
from farm_agent.errors import FarmBug
from farm_agent.preflight import Preflight
from farm_agent.steps_block import run_block
from farm_agent.steps_process import Keeper
from farm_agent.watch import Telemetry
from farm_agent.wire import JobSpec

__all__ = ["Keeper", "run_all"]


def run_all(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """Raises the first error; what was finished before it is kept."""
    with pins.pinned(keeper, spec.pins, folder.parent.parent):
        telemetry = Telemetry(spec.sensors)
        try:
            telemetry.settle()
            run_measured(keeper, spec, folder, telemetry, Preflight(keeper, spec, folder, telemetry))
        finally:
            telemetry.close()


def run_measured(
    keeper: Keeper, spec: JobSpec, folder: Path, telemetry: Telemetry, preflight: Preflight
) -> None:
    """One step after another, the cheapest and the most decisive first."""
    spec = steps_build.run(keeper, spec, folder, _task)
    loads = True
    if spec.tool:  # here and below: most jobs need none of these
        from farm_agent.tools import runner

        loads = runner.can_check(spec)
    if loads:
        run_check(keeper, spec, folder)
    other = run_reference(keeper, spec, folder)
    if spec.tool:
        from farm_agent.tools import runner

        preflight.pass_gate(spec.tool)
        runner.run(keeper, spec, folder, telemetry)
    else:
        run_blocks(keeper, spec, folder, telemetry, preflight, other)
    if spec.energy is not None:
        from farm_agent import energy

        energy.run(keeper, spec, folder, lambda: preflight.pass_gate("the energy windows"))
    if spec.profile_ops:
        from farm_agent import layers

        layers.run(keeper, spec, folder)
    if spec.dataset is not None and loads:
        run_evaluation(keeper, spec, folder)


def run_reference(keeper: Keeper, spec: JobSpec, folder: Path) -> JobSpec:
    """Build and check the other artifact of a job that has two; its spec then, else the job's own."""
    if spec.reference is None:
        return spec
    beside = arms.ArmKeeper(keeper)
    other = steps_build.run(beside, arms.reference_spec(spec), folder, _task, arms.REFERENCE)
    run_check(beside, other, folder, arms.REFERENCE)
    return other


def run_blocks(
    keeper: Keeper,
    spec: JobSpec,
    folder: Path,
    telemetry: Telemetry,
    preflight: Preflight,
    other: JobSpec,
) -> None:
    """The timed blocks: each waits for a quiet device and has the sensors beside it. ``other``: the job as it
    is for the reference's."""
    points = arms.points(spec)
    for index, point in enumerate(points):
        keeper.emit("progress", {"block": index, "blocks": len(points)})
        gate = preflight.pass_gate(f"process {index + 1} of {len(points)}")
        own = other if arms.arm_of(point) == arms.REFERENCE else spec
        run_block(keeper, own, folder, index, point, telemetry, gate)


def run_check(keeper: Keeper, spec: JobSpec, folder: Path, arm: str = arms.CANDIDATE) -> None:
    """Prove on this device that the artifact computes what the source model does, before any timing."""
    keeper.emit("phase", {"phase": "check"})
    request = check.CheckRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / arms.FOLDERS[arm]),
        golden=spec.golden,
        golden_path=steps_process.golden_path(spec, folder),
        options=steps_process.options(spec),
        memory_limit_bytes=spec.memory_limit_bytes,
        die_with_parent=True,
        harness=spec.harness,
    )
    response = _task(keeper, spec, folder, "check", request, check.CheckResponse)
    keeper.note_versions({"runtime": response.runtime_version})
    keeper.keep(replace(keeper.result, check=response.check, proof=response.proof))
    if response.check is not None:
        keeper.emit("phase", {"phase": "checked", "passed": response.check.passed})
        if not response.check.passed:
            raise check.mismatch(response.check, spec.runtime)
    check.refuse(spec.artifact.precision, response.proof, spec.runtime)


def run_evaluation(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """The whole data set: hits counted here, all outputs kept for what is computed from them elsewhere."""
    if spec.dataset is None:
        return
    from farm_agent import evaluate

    keeper.emit("phase", {"phase": "evaluate"})
    request = evaluate.EvaluateRequest(
        runtime=spec.runtime,
        artifact=spec.artifact,
        directory=str(folder / "artifact"),
        dataset=spec.dataset,
        dataset_path=str(steps_process.stored(folder, spec.dataset.blob.sha256)),
        options=steps_process.options(spec),
        memory_limit_bytes=spec.memory_limit_bytes,
        outputs_path=str(folder / evaluate.OUTPUTS) if spec.dataset.keep_outputs else "",
    )

    def tell(_pid: int, line: bytes) -> bool:
        with contextlib.suppress(codec.DecodeError):
            seen = codec.loads(evaluate.Progress, line)
            keeper.emit("phase", {"phase": "evaluate", "done": seen.done, "count": seen.count})
        return False

    response = _task(keeper, spec, folder, "evaluate", request, evaluate.EvaluateResponse, tell)
    keeper.keep(replace(keeper.result, accuracy=response.accuracy, evaluation=response.evaluation))


def _task(
    keeper: Keeper,
    spec: JobSpec,
    folder: Path,
    name: str,
    request: object,
    kind: Any,  # noqa: ANN401 - a response's class
    on_line: Optional[Callable[[int, bytes], bool]] = None,
) -> Any:  # noqa: ANN401
    """Run ``_build``, ``_check`` or ``_evaluate`` and return its response. Raises its failure."""
    asked, answered = folder / f"{name}.request.json", folder / f"{name}.response.json"
    files.write_atomic(asked, codec.dumps(request).encode())
    with files.disk_errors(answered):
        answered.unlink(missing_ok=True)  # of the other artifact: no answer of one stands for the other
    argv = identity.agent_argv(f"_{name}", str(asked), str(answered))
    ended = child.run(argv, spec.process_timeout_s, on_line)
    response = codec.loads(kind, files.read_bounded(answered)) if answered.exists() else None
    steps_process.raise_failure(keeper, f"the {name} ({spec.runtime})", ended, spec, response)
    if response is None:
        # A response that could not be written: the disk says why, if anything does.
        files.write_atomic(answered, b"x" * 65536)
        raise FarmBug(f"the {name} ended without a response", code="farm.task", fix="please report this")
    return response
