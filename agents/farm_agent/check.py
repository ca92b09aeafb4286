"""Run an artifact on its real runtime and hold its outputs against the source model's.

A process of its own: ``_check REQUEST.json RESPONSE.json``. Also used on the host after a conversion.
"""

from __future__ import annotations

from dataclasses import field, replace
from pathlib import Path
from typing import Any, Dict, List, Mapping, NoReturn, Optional, Sequence, Tuple

from farm_agent import compare, faults, feed, files, precisions, runtimes, task
from farm_agent.errors import JobError
from farm_agent.late import dataclass
from farm_agent.wire import (
    ArtifactSpec,
    CheckResult,
    Failure,
    Golden,
    PrecisionProof,
    TensorMap,
    TensorSpec,
)


@dataclass(frozen=True)
class CheckRequest:
    """``directory``: where the artifact's files lie under their names. ``golden_path`` may be given without
    ``golden``: then its samples run and nothing is compared. ``outputs_path``: an .npz to write the outputs
    to, keys out.K.J in the source model's layout. ``harness``: how it is to be timed; unless that is
    python, its C entry point must give the same outputs (see ``native_check``)."""

    runtime: str
    artifact: ArtifactSpec
    directory: str
    golden: Optional[Golden] = None
    golden_path: Optional[str] = None
    options: Dict[str, Any] = field(default_factory=dict)
    outputs_path: Optional[str] = None
    memory_limit_bytes: int = 0
    die_with_parent: bool = False
    harness: str = "python"


@dataclass(frozen=True)
class CheckResponse:
    """``outputs`` are the artifact's own, with the shapes that the first sample gave."""

    ok: bool
    check: Optional[CheckResult] = None
    proof: Optional[PrecisionProof] = None
    runtime_version: str = ""
    outputs: Tuple[TensorSpec, ...] = ()
    failure: Optional[Failure] = None


def main(request_path: str, response_path: str) -> NoReturn:
    """The process."""
    task.serve(
        CheckRequest,
        run,
        lambda failure: CheckResponse(ok=False, failure=failure),
        request_path,
        response_path,
    )


def run(request: CheckRequest) -> CheckResponse:
    """Load, run every sample, compare, and ask the runtime which precision it used."""
    task.limit_memory(request.memory_limit_bytes)
    if request.die_with_parent:
        task.die_with_parent()
    module = runtimes.load(request.runtime)
    options = {"precision": request.artifact.precision, **request.options}
    session = open_artifact(module, request.artifact, request.directory, options)
    inputs = request.artifact.inputs or feed.identity(session.inputs())
    data = feed.load_npz(request.golden_path) if request.golden_path else None
    count = request.golden.samples if request.golden else feed.samples_in(data) if data is not None else 0
    comparison = compare.Comparison(request.golden.tolerance) if request.golden and count else None
    kept: Dict[str, Any] = {}
    shown: Tuple[TensorSpec, ...] = ()
    for index in range(max(1, count)):
        session.bind(feed.sample(data if count else None, index, inputs))
        outputs = infer(request.runtime, session)
        maps = request.artifact.outputs or feed.identity(session.outputs())
        shown = shown or _specs(session.outputs(), outputs)
        for number, (entry, got) in enumerate(zip(maps, in_source_order(maps, outputs))):
            kept[f"out.{index}.{number}"] = got
            if comparison is not None and data is not None:
                want = feed.read(data, f"out.{index}.{number}")
                comparison.add(number, entry.source.name, got, want)
    if request.outputs_path:
        _save(request.outputs_path, kept)
    check = comparison.result(count) if comparison is not None else None
    proof = _proof(session)
    session.close()
    if check is None or check.passed:
        from farm_agent import native_check

        native_check.run(request, module, kept, count)
    return CheckResponse(
        ok=True,
        check=check,
        proof=proof,
        runtime_version=module.probe().version,
        outputs=shown,
    )


def open_artifact(module: Any, artifact: ArtifactSpec, directory: str, options: Mapping[str, Any]) -> Any:  # noqa: ANN401
    """Open the artifact's first file, which must lie in ``directory``. Raises JobError ``artifact.empty``."""
    if not artifact.files:
        raise JobError("the artifact has no files", code="artifact.empty", fix="convert the model again")
    names = [files.safe_name(blob.name) for blob in artifact.files]
    return module.open(str(Path(directory) / names[0]), options)


def infer(runtime: str, session: Any) -> Dict[str, Any]:  # noqa: ANN401 - runtimes.Session
    """One inference and its outputs. Raises JobError runtime.*."""
    try:
        session.call()
        outputs: Dict[str, Any] = session.fetch()
    except Exception as error:
        raise faults.runtime_error(runtime, "run", error) from error
    return outputs


def in_source_order(maps: Sequence[TensorMap], outputs: Mapping[str, Any]) -> List[Any]:
    """Outputs in the source model's order and layout. Raises JobError ``check.output-missing``."""
    missing = [entry.artifact.name for entry in maps if entry.artifact.name not in outputs]
    if missing:
        raise JobError(
            "the model has no output {}; it has {}".format(", ".join(missing), ", ".join(outputs)),
            code="check.output-missing",
            fix="convert the model again",
        )
    return [feed.to_source(outputs[entry.artifact.name], entry) for entry in maps]


def mismatch(check: CheckResult, runtime: str) -> JobError:
    """The error of a check that did not pass."""
    return JobError(
        f"{runtime} gives other outputs than the source model: largest error {check.max_abs_error:.3g} where "
        f"the largest value is {check.max_reference:.3g} (cosine {check.cosine:.6f})",
        code="check.mismatch",
        fix="use another precision or runtime for this model on this device",
    )


def refuse(asked: str, proof: Optional[PrecisionProof], runtime: str) -> None:
    """Raise JobError ``check.precision`` for an artifact that does not run in the precision in its name."""
    reason = precisions.refusal(asked, proof)
    if reason:
        raise JobError(
            f"{runtime} does not run this artifact in {asked} on this device: {reason}",
            code="check.precision",
            fix="use a runtime that has such kernels here, or measure the precision that it runs in",
        )


def _proof(session: Any) -> Optional[PrecisionProof]:  # noqa: ANN401
    """A runtime that cannot tell is no failure: the result says that nothing is known."""
    try:
        proof: Optional[PrecisionProof] = session.proof()
    except Exception:  # noqa: BLE001
        return None
    return proof


def _specs(specs: Sequence[TensorSpec], outputs: Mapping[str, Any]) -> Tuple[TensorSpec, ...]:
    return tuple(
        replace(spec, dtype=str(outputs[spec.name].dtype), shape=tuple(outputs[spec.name].shape))
        for spec in specs
    )


def _save(path: str, arrays: Mapping[str, Any]) -> None:
    import numpy as np

    with files.disk_errors(Path(path)), open(path, "wb") as file:
        np.savez(file, **arrays)
