"""A device's outputs over a data set, judged by labels and by the source model's outputs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from farm_agent.wire import Accuracy
from farm_results import agreement, metrics
from farm_results.model import Result
from farm_results.statistics import intervals

if TYPE_CHECKING:
    import numpy as np

    Arrays = Sequence[np.ndarray[Any, Any]]

SHARES = ("top-1", "top-5", "f1", "")  # metrics that people read in percent; "" of an older farm


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
            return (
                f"output {number} is {str(out.dtype)[:40]}{list(out.shape)}, not {ref.dtype}{list(ref.shape)}"
            )
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


def value_text(metric: str, value: float) -> str:
    """``98.6 %`` for shares and F1, else four significant digits."""
    return f"{value * 100:.1f} %" if metric in SHARES else f"{value:.4g}"


def delta_text(result: Result) -> str:
    """``−0.3 pp, ±0.6``: the difference to the source model, and half the width of its 95 % interval."""
    shares = result.accuracy_metric in SHARES
    scale = 100.0 if shares else 1.0
    delta = (result.accuracy_delta or 0.0) * scale
    text = f"{_signed(delta, '.1f')} pp" if shares else _signed(delta, ".3g")
    low, high = result.accuracy_delta_low, result.accuracy_delta_high
    if low is None or high is None:
        return text
    half = max(high * scale - delta, delta - low * scale)
    return f"{text}, ±{half:.1f}" if shares else f"{text}, ±{half:.2g}"


def _signed(value: float, form: str) -> str:
    text = format(abs(value), form)
    if float(text) == 0:
        return text
    return f"{'−' if value < 0 else '+'}{text}"


def lines(result: Result) -> list[tuple[str, str]]:
    """What a person reads of a result's accuracy: (name, text) for each line."""
    found: list[tuple[str, str]] = []
    metric = result.accuracy_metric
    if result.accuracy is not None:
        bounds = _bounds(metric, result.accuracy_low, result.accuracy_high)
        found.append(
            (metric or "accuracy", f"{value_text(metric, result.accuracy)}{bounds} of {_samples(result)}")
        )
    if result.accuracy is not None and result.accuracy_reference is not None:
        found.append(("source model", f"{value_text(metric, result.accuracy_reference)}, same samples"))
        found.append(("difference", f"{delta_text(result)}: {said(result)}"))
    parts = agreement.words(result.agreement)
    if parts:
        found.append(("agreement", f"{', '.join(parts)} (outputs against the source model's)"))
    return found


def said(result: Result) -> str:
    """Whether the difference to the source model is sure, in words."""
    low, high = result.accuracy_delta_low, result.accuracy_delta_high
    if low is None or high is None:
        few = result.accuracy_count < intervals.LEAST_SAMPLES
        return "too few samples for an interval" if few else "no interval: the samples do not vary enough"
    where = _bounds(result.accuracy_metric, low, high, signed=True).strip()
    if low <= 0 <= high:
        return f"these samples show no difference ({where})"
    if result.accuracy_metric not in metrics.names():  # the user's own: which way is better, only they know
        return f"surely {'lower' if high < 0 else 'higher'} than the source model ({where})"
    lower = metrics.load(result.accuracy_metric).LOWER_IS_BETTER
    return f"surely {'worse' if (high < 0) != lower else 'better'} than the source model ({where})"


def _samples(result: Result) -> str:
    return "1 sample" if result.accuracy_count == 1 else f"{result.accuracy_count} samples"


def _bounds(metric: str, low: float | None, high: float | None, *, signed: bool = False) -> str:
    if low is None or high is None:
        return ""
    scale, form = (100.0, ".1f") if metric in SHARES else (1.0, ".4g")
    unit = (" pp" if signed else " %") if metric in SHARES else ""
    ends = [_signed(end * scale, form) if signed else format(end * scale, form) for end in (low, high)]
    return f" [95 %: {ends[0]} to {ends[1]}{unit}]" if not signed else f"95 %: {ends[0]} to {ends[1]}{unit}"
