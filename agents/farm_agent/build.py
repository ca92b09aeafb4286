"""Build engines on the device that will run them.

A process of its own: ``_build REQUEST.json RESPONSE.json``. Builders choose kernels by timing them, so two
builds of one model differ: asked for several, it builds each from nothing, times each for a moment and keeps
the fastest; asked for one, it starts from the timing cache that earlier builds of this device left.
"""

from __future__ import annotations

import hashlib
import statistics
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, List, NoReturn, Optional, Tuple

from farm_agent import cuda, engines, feed, files, precisions, task, trt_build, trt_calibrate, trt_exec
from farm_agent.errors import JobError, UsageError
from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob
from farm_agent.messages.build import BuildPlan, BuildReport, Engine
from farm_agent.runtimes import tensorrt
from farm_agent.wire import ArtifactSpec, Failure, PrecisionProof

ENGINE, TIMING_CACHE = "model.engine", "timing.cache"
MOST_BUILDS = 32
WARMUP_RUNS, TIMED_RUNS, TIMED_S = 20, 200, 2.0


@dataclass(frozen=True)
class BuildRequest:
    """``directory`` holds the artifact's files; the engine is put there as well. ``job``: where the timing
    cache goes. ``store``: the device's folder of engines. ``golden_path``: inputs to time engines with."""

    plan: BuildPlan
    artifact: ArtifactSpec
    directory: str
    job: str
    store: str
    golden_path: Optional[str] = None
    timing_cache_path: str = ""
    calibration_path: str = ""


@dataclass(frozen=True)
class BuildResponse:
    """``report`` where there is an engine, else ``failure``. ``runtime_version``: TensorRT's."""

    ok: bool
    report: Optional[BuildReport] = None
    runtime_version: str = ""
    failure: Optional[Failure] = None


def main(request_path: str, response_path: str) -> NoReturn:
    """The process."""
    task.serve(
        BuildRequest,
        run,
        lambda failure: BuildResponse(ok=False, failure=failure),
        request_path,
        response_path,
    )


def run(request: BuildRequest) -> BuildResponse:
    """Take the engine from this device's store, or build it. Raises JobError build, check, convert,
    runtime."""
    task.die_with_parent()
    trt = tensorrt.load()
    gpu = cuda.Cuda()
    return build(trt, gpu, request)


def build(trt: Any, gpu: cuda.Cuda, request: BuildRequest) -> BuildResponse:  # noqa: ANN401
    """As ``run``, with TensorRT and the GPU at hand."""
    plan = request.plan
    if not 1 <= plan.builds <= MOST_BUILDS:
        raise UsageError(
            f"{plan.builds} builds were asked for", code="build.count", fix=f"ask for 1 to {MOST_BUILDS}"
        )
    version = str(trt.__version__)
    kind = engines.device_class(gpu.gpu(), version)
    store = engines.Store(Path(request.store))
    key = engines.key_of(request.artifact.files[0].sha256, kind, plan)
    target = Path(request.directory) / ENGINE
    report = store.take(key, target, plan.builds)
    if report is None:
        report = _make(trt, gpu, request, kind, target)
        store.keep(key, target, report)
    return BuildResponse(ok=True, report=report, runtime_version=version)


def _make(trt: Any, gpu: cuda.Cuda, request: BuildRequest, kind: str, target: Path) -> BuildReport:  # noqa: ANN401
    made: List[Engine] = []
    best: Tuple[float, Optional[trt_build.Built]] = (float("inf"), None)
    for _ in range(request.plan.builds):
        started = time.monotonic()
        built = _build_one(trt, gpu, request)
        seconds = time.monotonic() - started
        latency_ns = _time(trt, gpu, built.engine, request) if request.plan.builds > 1 else None
        made.append(Engine(_blob(built.engine, ENGINE), seconds, latency_ns))
        if best[1] is None or (latency_ns is not None and latency_ns < best[0]):
            best = (latency_ns or 0.0, built)
            chosen = len(made) - 1
    built = best[1] or built
    with files.disk_errors(target):
        target.write_bytes(built.engine)
    session = tensorrt.Session(trt, gpu, built.engine)
    proof = session.proof()
    session.close()
    _refuse_floats(request.plan.precision, proof)
    return BuildReport(
        typed=built.typed,
        device_class=kind,
        engines=tuple(made),
        chosen=chosen,
        timing_cache=_kept_cache(built.timing_cache, Path(request.job)),
        layers=dict(proof.operators) if proof else {},
        log_tail=built.log_tail[-4000:],
    )


def _refuse_floats(asked: str, proof: Optional[PrecisionProof]) -> None:
    """An engine holds its weights as it computes: where they are not told, what it computes in tells enough.

    Raises JobError ``check.precision``.
    """
    found = precisions.computing(proof) if proof is not None else {}
    if asked != "fp32" and found and set(found) <= {"fp32", "fp64"}:
        raise JobError(
            f"the builder made no {asked} engine: its layers compute in {precisions.counts(found)}",
            code="check.precision",
            fix="measure this model in fp32 on this device",
        )


def _build_one(trt: Any, gpu: cuda.Cuda, request: BuildRequest) -> trt_build.Built:  # noqa: ANN401
    if request.plan.options.get("builder") == "trtexec":
        if request.calibration_path:
            raise JobError(
                "trtexec cannot find ranges for int8 itself: it would make them up",
                code="build.option",
                fix='leave the target\'s option graph = "fp32" away, or builder = "trtexec"',
            )
        return trt_exec.build(_order(request), Path(request.job), str(trt.__version__))
    return trt_build.build(trt, _order(request), calibrator=_calibrator(trt, gpu, request))


def _order(request: BuildRequest) -> trt_build.Order:
    plan = request.plan
    cache = b""
    if plan.builds == 1 and request.timing_cache_path:
        cache = files.read_bounded(Path(request.timing_cache_path), engines.CACHE_LIMIT_BYTES)
    return trt_build.Order(
        model=str(Path(request.directory) / files.safe_name(request.artifact.files[0].name)),
        precision=plan.precision,
        typing=plan.options.get("typing", ""),
        workspace_bytes=plan.workspace_bytes,
        timing_cache=cache,
        shapes={entry.artifact.name: entry.artifact.shape for entry in request.artifact.inputs},
        options=plan.options,
    )


def _calibrator(trt: Any, gpu: cuda.Cuda, request: BuildRequest) -> Any:  # noqa: ANN401
    if not request.calibration_path or not hasattr(trt, "IInt8EntropyCalibrator2"):
        return None
    names = [entry.artifact.name for entry in request.artifact.inputs]
    narrow = trt_build.major_of(trt) < 10  # its parser makes int32 of inputs that are int64 in the file
    return trt_calibrate.calibrator(trt, gpu, request.calibration_path, names, narrow=narrow)


def _time(trt: Any, gpu: cuda.Cuda, engine: bytes, request: BuildRequest) -> float:  # noqa: ANN401
    """Median of a short run, in ns: enough to rank builds, not a result."""
    session = tensorrt.Session(trt, gpu, engine)
    try:
        inputs = request.artifact.inputs or feed.identity(session.inputs())
        data = feed.load_npz(request.golden_path) if request.golden_path else None
        session.bind(feed.sample(data, 0, inputs))
        call = session.call
        for _ in range(WARMUP_RUNS):
            call()
        times: List[int] = []
        deadline = time.monotonic() + TIMED_S
        while len(times) < TIMED_RUNS and (not times or time.monotonic() < deadline):
            began = time.perf_counter_ns()
            call()
            times.append(time.perf_counter_ns() - began)
        return float(statistics.median(times))
    finally:
        session.close()


def _kept_cache(data: bytes, job: Path) -> Optional[Blob]:
    if not data or len(data) > engines.CACHE_LIMIT_BYTES:
        return None
    with files.disk_errors(job):
        (job / TIMING_CACHE).write_bytes(data)
    return _blob(data, TIMING_CACHE)


def _blob(data: bytes, name: str) -> Blob:
    return Blob(hashlib.sha256(data).hexdigest(), len(data), name)


def engine_artifact(artifact: ArtifactSpec, report: BuildReport) -> ArtifactSpec:
    """The artifact as it runs: the engine instead of the ONNX file that it was built from."""
    return replace(artifact, files=(report.engines[report.chosen].blob,))
