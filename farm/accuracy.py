"""Judge what a device answered on the run's data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import FarmError
from farm_agent import faults

if TYPE_CHECKING:
    from farm.datasets import Ready
    from farm.fetch import Fetched
    from farm_results.accuracy import Assessment

MESSAGE = 300  # characters of a reason, which may quote what a device sent


def assessed(ready: Ready | None, fetched: Fetched, scratch: Path) -> Assessment | None:
    """Accuracy and agreement of a job's outputs; None when it has none to judge. Never raises for what the
    device sent: that becomes the assessment's ``problem``."""
    evaluation = fetched.result.evaluation
    if ready is None or evaluation is None:
        return None
    from farm_results.accuracy import Assessment

    if fetched.outputs is None:
        return Assessment(evaluation.count, problem="no outputs came back")
    try:
        return _assess(ready, fetched.outputs, fetched, scratch)
    except (FarmError, ValueError, MemoryError) as error:
        what = error.message if isinstance(error, FarmError) else str(error)
        return Assessment(
            evaluation.count, ready.metric, problem=faults.shorten(what or type(error).__name__, MESSAGE)
        )


def _assess(ready: Ready, outputs: Path, fetched: Fetched, scratch: Path) -> Assessment:
    from farm.datasets import arrays_of, labels_of
    from farm_results import accuracy, metrics

    ours, theirs = arrays_of(outputs), arrays_of(ready.reference.path)
    labels = labels_of(ready)
    custom: dict[str, Any] | None = None
    fitted = accuracy.fitted(ours, theirs)
    if labels is not None and metrics.is_custom(ready.metric) and not isinstance(fitted, str):
        from farm_converters import custom as user
        from farm_converters.golden_onnx import save_npz

        same = scratch / f"{fetched.spec.job_id}-outputs.npz"
        save_npz(same, {f"out.{number}": array for number, array in enumerate(fitted)})
        custom = user.metric(
            ready.metric, same, ready.reference.path, labels, scratch / f"{fetched.spec.job_id}-metric"
        )
    return accuracy.assess(ready.metric, ours, theirs, labels, counted=fetched.result.accuracy, custom=custom)


def document(ready: Ready, assessment: Assessment) -> dict[str, Any]:
    """What the numbers are of, for the result's document."""
    from farm_agent import codec

    return {
        "dataset": ready.dataset.name,
        "dataset_sha256": ready.dataset.blob.sha256,
        "count": ready.packed.count,
        "labels": ready.packed.labels,
        "reference_runtime": ready.reference.runtime,
        "assessment": codec.encode(assessment),
    }
