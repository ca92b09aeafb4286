"""A device's outputs over a data set, judged by labels and by the source model's outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from farm_agent.wire import Accuracy
from farm_results import agreement, intervals, metrics

if TYPE_CHECKING:
    import numpy as np

    Arrays = Sequence[np.ndarray[Any, Any]]

SHARES = ("top-1", "top-5", "f1")  # metrics that people read in percent
LOWER_IS_BETTER = ("mae",)


@dataclass(frozen=True)
class Assessment:
    """``value`` of ``metric`` with its 95 % interval, ``reference``: the source model's on the same samples,
    ``delta``: value less that, with its paired interval. None: not known, or no interval can be told.
    ``problem``: why the outputs could not be compared at all. ``recounted``: what the host counted where the
    device counted ``counted``; they must agree."""

    count: int
    metric: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    reference: float | None = None
    delta: float | None = None
    delta_low: float | None = None
    delta_high: float | None = None
    agreement: Mapping[str, float] = field(default_factory=dict)
    not_finite: int = 0
    counted: int | None = None
    recounted: int | None = None
    problem: str = ""


def fitted(outputs: Arrays, reference: Arrays) -> list[np.ndarray[Any, Any]] | str:
    """The outputs in the reference's shapes (axes of size 1 may differ), or why they do not fit."""
    if len(outputs) != len(reference):
        return f"{len(outputs)} outputs came back, the source model has {len(reference)}"
    found = []
    for number, (out, ref) in enumerate(zip(outputs, reference, strict=True)):
        if [n for n in out.shape if n != 1] != [
            n for n in ref.shape if n != 1
        ] or out.dtype.kind not in "fiub":
            return f"output {number} is {out.dtype}{list(out.shape)}, not {ref.dtype}{list(ref.shape)}"
        found.append(out.reshape(ref.shape))
    return found


def assess(
    metric: str,
    outputs: Arrays,
    reference: Arrays,
    labels: np.ndarray[Any, Any] | None,
    *,
    counted: Accuracy | None = None,
    custom: Mapping[str, Any] | None = None,
) -> Assessment:
    """Of out.J [N, ...] on a device and of the source model. ``metric``: a name, or "" without labels;
    ``custom``: what the user's own metric gave (``farm_converters.custom.metric``).

    Raises UsageError data.metric, data.labels; JobError data.no-classes.
    """
    count = len(reference[0]) if reference else 0
    base = Assessment(count, metric)
    ours = fitted(outputs, reference)
    if isinstance(ours, str):
        return replace(base, problem=ours)
    base = replace(
        base,
        agreement=agreement.agreement(ours, reference),
        not_finite=agreement.lost_samples(ours, reference),
    )
    if not metric or labels is None:
        return base
    if custom is not None:
        return _of_custom(base, custom)
    module = metrics.load(metric)
    one, two = module.statistics(ours, labels), module.statistics(reference, labels)
    base = _compared(base, module, one, two)
    if counted is not None and metric == counted.metric:
        base = replace(base, counted=counted.correct, recounted=round(float(one.sum())))
    return base


def _compared(
    base: Assessment, metric: metrics.Metric, ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]
) -> Assessment:
    value, reference = _number(metric.value(ours)), _number(metric.value(theirs))
    found = replace(base, value=value, reference=reference)
    if value is None:
        return found
    count = len(ours)
    if metric.SHARE:
        own: tuple[float, float] | None = intervals.wilson(round(float(ours.sum())), count)
    else:
        own = intervals.bootstrap(count, lambda rows: metric.value(ours[rows]))
    found = _with_interval(found, own)
    if reference is None:
        return found
    found = replace(found, delta=value - reference)
    if metric.SHARE:
        return _with_delta(found, _paired(ours > 0, theirs > 0))
    return _with_delta(
        found, intervals.bootstrap(count, lambda rows: metric.value(ours[rows]) - metric.value(theirs[rows]))
    )


def _paired(ours: np.ndarray[Any, Any], theirs: np.ndarray[Any, Any]) -> tuple[float, float]:
    cells = ((ours & theirs), (ours & ~theirs), (~ours & theirs), (~ours & ~theirs))
    both, first, second, neither = (int(cell.sum()) for cell in cells)
    return intervals.newcombe(both, first, second, neither)


def _of_custom(base: Assessment, given: Mapping[str, Any]) -> Assessment:
    import numpy as np

    value, reference = _number(given.get("value")), _number(given.get("reference"))
    found = replace(base, value=value, reference=reference)
    if value is None or reference is None:
        return found
    found = replace(found, delta=value - reference)
    if given.get("scores") is not None and given.get("reference_scores") is not None:
        ours, theirs = np.array(given["scores"], float), np.array(given["reference_scores"], float)
        if set(np.unique(ours)) | set(np.unique(theirs)) <= {0.0, 1.0}:
            found = _with_interval(found, intervals.wilson(round(float(ours.sum())), len(ours)))
            return _with_delta(found, _paired(ours > 0, theirs > 0))
        found = _with_interval(found, intervals.bootstrap(len(ours), lambda rows: float(ours[rows].mean())))
        return _with_delta(
            found, intervals.bootstrap(len(ours), lambda rows: float((ours - theirs)[rows].mean()))
        )
    return _with_delta(found, intervals.percentiles([float(one) for one in given.get("differences", [])]))


def _with_interval(found: Assessment, bounds: tuple[float, float] | None) -> Assessment:
    return found if bounds is None else replace(found, low=bounds[0], high=bounds[1])


def _with_delta(found: Assessment, bounds: tuple[float, float] | None) -> Assessment:
    return found if bounds is None else replace(found, delta_low=bounds[0], delta_high=bounds[1])


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
