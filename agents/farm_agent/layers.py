"""Time per layer: a process of its own, never the timed one. ``_layers REQUEST.json RESPONSE.json``."""

from __future__ import annotations

import statistics
from dataclasses import field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Dict, NoReturn, Optional, Tuple

from farm_agent import check, child, codec, faults, feed, files, identity, profilers, runtimes, task
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.messages.layers import Layer, LayerProfile
from farm_agent.profilers import Profiled, ProfileRequest
from farm_agent.wire import ArtifactSpec, Failure, JobSpec

if TYPE_CHECKING:
    from farm_agent.steps import Keeper

WARMUP = 5
MOST_RUNS = 30
LEAST_RUNS = 5
RUNS_TIME_US = 5_000_000.0
# A result is one message of bounded size: of a larger network the slowest layers are kept.
MOST_ROWS = 2000


@dataclass(frozen=True)
class LayersRequest:
    """As ``check.CheckRequest``; sample 0 is what runs."""

    runtime: str
    artifact: ArtifactSpec
    directory: str
    options: Dict[str, Any] = field(default_factory=dict)
    golden_path: Optional[str] = None
    memory_limit_bytes: int = 0


@dataclass(frozen=True)
class LayersResponse:
    """Exactly one of both."""

    layers: Optional[LayerProfile] = None
    failure: Optional[Failure] = None


def run(keeper: Keeper, spec: JobSpec, folder: Path) -> None:
    """Profile the job's artifact and keep the result. A profiler that fails is a problem, no failed job."""
    keeper.emit("phase", {"phase": "layers"})
    directory, golden = str(folder / "artifact"), None
    if spec.golden is not None:
        golden = str(folder.parent.parent / "cas" / files.safe_sha256(spec.golden.blob.sha256))
    options = {**spec.options, "threads": spec.threads}
    request = LayersRequest(spec.runtime, spec.artifact, directory, options, golden, spec.memory_limit_bytes)
    asked, answered = folder / "layers.request.json", folder / "layers.response.json"
    files.write_atomic(asked, codec.dumps(request).encode())
    ended = child.run(identity.agent_argv("_layers", str(asked), str(answered)), spec.process_timeout_s)
    what = f"the profile ({spec.runtime})"
    if ended.stderr:
        keeper.log(f"--- {what}\n{ended.stderr}\n")
    error: Optional[FarmError] = child.failure(what, ended, spec.process_timeout_s)
    response = _response(answered)
    if response.failure is not None:
        error = response.failure.to_error()
    keeper.keep(replace(keeper.result, layers=response.layers or _problem(spec.runtime, what, error)))


def main(request_path: str, response_path: str) -> NoReturn:
    """The process."""
    task.serve(
        LayersRequest, answer, lambda failure: LayersResponse(failure=failure), request_path, response_path
    )


def answer(request: LayersRequest) -> LayersResponse:
    """Time whole inferences with the profiler off, then profile as many."""
    task.limit_memory(request.memory_limit_bytes)
    task.die_with_parent()
    profiler = profilers.load(request.runtime)
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session = check.open_artifact(module, request.artifact, request.directory, options)
    data = feed.load_npz(request.golden_path) if request.golden_path else None
    values = feed.sample(data, 0, request.artifact.inputs or feed.identity(session.inputs()))
    try:
        session.bind(values)
        one_us = max(1.0, statistics.median(profilers.timed(session.call, WARMUP)))
        runs = int(max(LEAST_RUNS, min(MOST_RUNS, RUNS_TIME_US / one_us)))
        clean = profilers.timed(session.call, runs)
        path = str(Path(request.directory) / files.safe_name(request.artifact.files[0].name))
        done = profiler.profile(session, ProfileRequest(path, options, values, WARMUP, runs))
    except FarmError:
        raise
    except Exception as error:
        raise faults.runtime_error(request.runtime, "profile", error) from error
    return LayersResponse(layers=summary(profiler.SOURCE, done, statistics.median(done.clean_us or clean)))


def summary(source: str, done: Profiled, clean_us: float) -> LayerProfile:
    """The profile as it is kept, with the reason where no layer has a time."""
    ran = [layer for layer in done.layers if layer.status == "run"]
    problem = ""
    if not done.layers:
        problem = "the profiler listed no layer"
    elif not any(layer.mean_us for layer in ran):
        problem = "the profiler gave no layer a time: this network is not profilable by it"
    sums_us = done.sums_us or (sum(layer.mean_us or 0.0 for layer in ran),)
    return LayerProfile(
        source=source,
        layers=bounded(done.layers),
        runs=len(done.wholes_us),
        sum_us=None if problem else statistics.median(sums_us),
        inference_us=statistics.median(done.wholes_us) if done.wholes_us else None,
        problem=problem,
        clean_us=clean_us,
        asked_unit=done.unit,
    )


def bounded(rows: Tuple[Layer, ...]) -> Tuple[Layer, ...]:
    """The slowest rows in their order, and one that holds the time of all others."""
    if len(rows) <= MOST_ROWS:
        return rows
    order = sorted(rows, key=lambda row: row.mean_us or 0.0, reverse=True)
    kept = sorted(order[:MOST_ROWS], key=lambda row: row.index)
    rest = order[MOST_ROWS:]
    total = sum(row.mean_us or 0.0 for row in rest)
    units = {row.unit for row in rest}
    unit = units.pop() if len(units) == 1 else ""
    return (*kept, Layer(len(rows), f"({len(rest)} more layers)", "", unit=unit, mean_us=total))


def _response(path: Path) -> LayersResponse:
    """What the process answered; an empty one where it did not or nobody can read it."""
    try:
        return codec.loads(LayersResponse, files.read_bounded(path, 64 * 1024 * 1024))
    except (FarmError, codec.DecodeError):
        return LayersResponse()


def _problem(runtime: str, what: str, error: Optional[FarmError]) -> LayerProfile:
    text = error.message if error is not None else f"{what} ended without a response"
    return LayerProfile(profilers.RUNTIMES.get(runtime, ""), (), 0, problem=faults.shorten(text))
