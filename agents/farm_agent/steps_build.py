"""The step before all others where the device builds its own engine: ONNX in, engine out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Callable

from farm_agent import arms, steps_process
from farm_agent.steps_process import Keeper
from farm_agent.wire import JobSpec

Task = Callable[[Keeper, JobSpec, Path, str, object, Any], Any]


def run(keeper: Keeper, spec: JobSpec, folder: Path, task: Task, arm: str = arms.CANDIDATE) -> JobSpec:
    """The job with the engine as its artifact; as it is where nothing is to be built.

    A native tool (``spec.tool``) builds for itself from the ONNX file.
    """
    plan = spec.build
    if plan is None or spec.tool:
        return spec
    from farm_agent import build  # TensorRT's; most jobs build nothing

    keeper.emit("phase", {"phase": "build", "builds": plan.builds})
    request = build.BuildRequest(
        plan=plan,
        artifact=spec.artifact,
        directory=str(folder / arms.FOLDERS[arm]),
        # The reference's timing cache must not take the place of the one that is fetched.
        job=str(folder if arm == arms.CANDIDATE else folder / arms.FOLDERS[arm]),
        store=str(folder.parent.parent / "engines"),
        golden_path=steps_process.golden_path(spec, folder),
        timing_cache_path=_stored(folder, plan.timing_cache),
        calibration_path=_stored(folder, plan.calibration),
    )
    patient = replace(spec, process_timeout_s=spec.process_timeout_s * plan.builds)
    response = task(keeper, patient, folder, "build", request, build.BuildResponse)
    report = response.report
    keeper.note_versions({"runtime": response.runtime_version})
    keeper.keep(replace(keeper.result, build=report))
    keeper.emit("phase", {"phase": "built", "reused": report.reused, "engines": len(report.engines)})
    return replace(spec, artifact=build.engine_artifact(spec.artifact, report))


def _stored(folder: Path, blob: Any) -> str:  # noqa: ANN401 - Blob or None
    return str(steps_process.stored(folder, blob.sha256)) if blob is not None else ""
