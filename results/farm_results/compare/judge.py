"""What one pair of sides comes to in one metric, before all rows are judged together."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from statistics import median

from farm_results.compare.chance import degrees_of, t_quantile
from farm_results.compare.metrics import Metric, median_cost
from farm_results.compare.noise import History, PastNumber, history_of
from farm_results.compare.pairs import Pair
from farm_results.compare.row import (
    ALONE,
    DIFFERENCE,
    HIGHER_WORD,
    IMPROVED,
    INCOMPARABLE,
    LARGE,
    LOWER_WORD,
    REGRESSED,
    SAME_WORD,
    UNCHANGED,
    Reading,
    Row,
)
from farm_results.detect.student import two_sided_p
from farm_results.environment import SURROUNDINGS, Difference, differences
from farm_results.model import Result
from farm_results.series import LOWER, key_of

Past = Callable[[str], Sequence[PastNumber]]
"""A series' points, oldest first."""
Between = Callable[[Result, Result], tuple[Difference, ...]]
"""``environment.differences``, perhaps remembered: all metrics of a pair ask for the same."""

ALPHA, INTERVAL = 0.01, 0.05
"""The share of false alarms among the rows called changed; one less the level of the intervals shown."""
YOUNG_ZONE = 0.05
"""Without a history nobody knows how far two runs of the same lie apart: smaller effects tell nothing."""
INVALID, THROTTLED = "invalid", "throttled"
MARKS = (INVALID, THROTTLED, "noisy")
LEAST_SPREAD = 1e-4
"""Of what is measured: processes that agree to the last digit tell of a coarse clock, not of certainty."""
PROCESSES, HISTORY = "the processes; no history", "the processes and the history"
ITSELF, COUNTED = "its own interval", "counted"


def row_of(pair: Pair, metric: Metric, past: Past, between: Between = differences) -> Row:
    """The row with its effect, interval and p. Its section is "" where statistics decide (``settled``), else
    not comparable or only in one."""
    newest = pair.newest
    base = Row(
        INCOMPARABLE,
        metric.name,
        key_of(newest),
        pair.series[1],
        None,
        None,
        better=metric.better,
        scale=metric.scale,
        unit=metric.unit,
        axis=pair.axis,
    )
    before, after = _usable(pair.reference, metric), _usable(pair.candidate, metric)
    ours, theirs = _reading(before, metric), _reading(after, metric)
    base = replace(base, reference=ours, candidate=theirs)
    if ours is None or theirs is None:
        return replace(base, section=ALONE, reason=_why_alone(pair, base))
    base = replace(base, differences=_differences(before[-1], after[-1], pair, between))
    reason = _forbidden(before[-1], after[-1], metric, base.differences)
    if metric.scale != DIFFERENCE and min(ours.value, theirs.value) <= 0 and ours.value != theirs.value:
        return replace(
            base, reason=reason or f"no ratio can be told of {ours.value:.4g} and {theirs.value:.4g}"
        )
    base = replace(base, effect=_effect(ours, theirs, metric))
    if reason:
        return replace(base, reason=reason)
    return _measured(base, pair, (before, after), metric, past)


def settled(row: Row, metric: Metric, q: float | None, alpha: float = ALPHA) -> Row:
    """The row in its section, once ``q`` says how it stands among all rows."""
    if row.section:
        return row
    effect = row.effect or 0.0
    row = replace(row, q=q, word=SAME_WORD if effect == 0 else HIGHER_WORD if effect > 0 else LOWER_WORD)
    young = row.noise == PROCESSES
    sure = q is not None and q <= alpha and abs(effect) >= metric.zone
    if sure and not (young and abs(effect) < YOUNG_ZONE):
        worse = (effect > 0) == (row.better == LOWER)
        return replace(row, section=REGRESSED if worse else IMPROVED)
    if abs(effect) >= metric.large:
        return replace(row, section=LARGE, reason=row.reason or "noise alone may explain it")
    unknown = f"below {YOUNG_ZONE * 100:.0f} %, and no history tells how far two runs lie apart"
    return replace(row, section=UNCHANGED, reason=row.reason or (unknown if sure else ""))


def _usable(results: Sequence[Result], metric: Metric) -> tuple[Result, ...]:
    """The ok ones, of those to be believed where there are any, that were taken in the surroundings of the
    newest of them and are numbers of the same."""
    good = [result for result in results if result.status == "ok"]
    good = [result for result in good if result.verdict.word not in _unbelieved(metric)] or good
    if len(good) < 2:
        return tuple(good)
    newest = good[-1]
    return tuple(r for r in good if metric.basis(r) == metric.basis(newest) and not _moved(r, newest, metric))


def _moved(before: Result, after: Result, metric: Metric) -> list[Difference]:
    """What of the surroundings changed, and matters."""
    return [] if metric.timeless else _of_kind(differences(before, after), SURROUNDINGS)


def _unbelieved(metric: Metric) -> tuple[str, ...]:
    """The verdicts that forbid to compare a number."""
    return (INVALID,) if metric.timeless else (INVALID, THROTTLED)


def _reading(results: Sequence[Result], metric: Metric) -> Reading | None:
    """One number of one side: the median over its results that have one."""
    pairs = [(result, found) for result in results if (found := metric.read(result)) is not None]
    if not pairs or pairs[-1][0] is not results[-1]:
        return None
    newest, base = pairs[-1]
    words = {result.verdict.word for result, _ in pairs}
    worst = next((word for word in MARKS if word in words), newest.verdict.word)
    base = replace(base, job_id=newest.job_id, run_id=newest.run_id, verdict=worst)
    if len(pairs) == 1:
        return base
    spreads = [found.spread for _, found in pairs]
    known = [spread for spread in spreads if spread is not None]
    cost = median_cost(len(pairs))
    whole = len(known) == len(pairs)
    joined = math.sqrt(cost * sum(spread**2 for spread in known)) / len(known) if whole else None
    value = median(found.value for _, found in pairs)
    degrees = sum(found.degrees for _, found in pairs)
    return replace(base, value=value, low=None, high=None, spread=joined, degrees=degrees, runs=len(pairs))


def _why_alone(pair: Pair, row: Row) -> str:
    """Which side lacks the number, and why."""
    side, results = ("candidate", pair.candidate) if row.candidate is None else ("reference", pair.reference)
    if not results:
        return f"the {side} has no such result"
    last = results[-1]
    if last.status != "ok":
        return f"the {side} {last.status}" + (f" [{last.error_code}]" if last.error_code else "")
    return f"the {side} has no {row.metric}"


def _differences(before: Result, after: Result, pair: Pair, between: Between) -> tuple[Difference, ...]:
    """What differs, but for what is compared on purpose."""
    found = between(before, after)
    if "device" in pair.by and before.device != after.device:
        found = tuple(one for one in found if one.kind != SURROUNDINGS or one.name in ("protocol", "harness"))
    return tuple(one for one in found if one.kind == SURROUNDINGS) if pair.axis else found


def _forbidden(before: Result, after: Result, metric: Metric, found: Sequence[Difference]) -> str:
    """Why the two may not be held against each other at all; "" where they may."""
    for side, result in (("reference", before), ("candidate", after)):
        if result.verdict.word in _unbelieved(metric):
            reasons = [c.evidence for c in result.verdict.caveats if c.severity == result.verdict.word]
            return f"the {side} is {result.verdict.word}" + (f": {reasons[0]}" if reasons else "")
    if metric.basis(before) != metric.basis(after):
        return f"{metric.name}: {metric.basis(before)} → {metric.basis(after)}"
    changed = [] if metric.timeless else _of_kind(found, SURROUNDINGS)
    if changed:
        return "; ".join(str(one) for one in changed[:3]) + ("; …" if len(changed) > 3 else "")
    return ""


def _of_kind(found: Sequence[Difference], kind: str) -> list[Difference]:
    return [one for one in found if one.kind == kind]


def _effect(before: Reading, after: Reading, metric: Metric) -> float:
    if metric.scale == DIFFERENCE or after.value == before.value:
        return after.value - before.value
    return after.value / before.value - 1.0


def _measured(
    row: Row, pair: Pair, sides: tuple[Sequence[Result], Sequence[Result]], metric: Metric, past: Past
) -> Row:
    """With interval and p: noise is the larger of what the processes and what the history tell."""
    histories = _histories(pair, {result.job_id for side in sides for result in side}, metric, past)
    pairs = zip((row.reference, row.candidate), histories, strict=True)
    parts = [part for reading, history in pairs if (part := _variance(reading, history, metric)) is not None]
    row = replace(row, section="", noise=_noise(histories, metric))
    if len(parts) < 2:
        return replace(row, noise="", reason="one process and no history: nobody knows its noise")
    total = math.sqrt(sum(variance for variance, _ in parts))
    if total == 0.0:
        chance = 1.0 if row.effect == 0.0 else 0.0
        return replace(row, noise=COUNTED, low=row.effect, high=row.effect, p=chance)
    return _with_interval(row, metric, total, degrees_of(parts))


def _noise(histories: Sequence[History | None], metric: Metric) -> str:
    counts = [history.count for history in histories if history is not None]
    if len(counts) == len(histories):
        return f"{HISTORY} of {min(counts)} runs"
    return ITSELF if metric.timeless else PROCESSES


def _with_interval(row: Row, metric: Metric, total: float, degrees: float) -> Row:
    effect = row.effect or 0.0
    shift = effect if metric.scale == DIFFERENCE else math.log1p(effect)
    half = t_quantile(degrees, INTERVAL) * total
    low, high = shift - half, shift + half
    if metric.scale != DIFFERENCE:
        low, high = math.expm1(low), math.expm1(min(high, 700.0))
    return replace(row, low=low, high=high, p=two_sided_p(shift / total, degrees))


def _histories(pair: Pair, jobs: set[str], metric: Metric, past: Past) -> list[History | None]:
    """Of both sides; of one series it is one and the same."""
    if metric.past is None:
        return [None, None]
    known = {
        series: history_of(past(series), metric.past, scale=metric.scale, without=jobs)
        for series in dict.fromkeys(pair.series)
    }
    return [known[series] for series in pair.series]


def _variance(reading: Reading | None, history: History | None, metric: Metric) -> tuple[float, float] | None:
    """(variance, degrees) of one side's number: of a median, where it is one over several runs."""
    if reading is None:
        return None
    own = None
    if reading.spread is not None:
        own = max(reading.spread, 0.0 if metric.timeless else LEAST_SPREAD) ** 2, reading.degrees
    if history is None:
        return own
    seen = history.sigma**2 * median_cost(reading.runs) / reading.runs, history.degrees
    return seen if own is None else max(own, seen, key=lambda part: part[0])
