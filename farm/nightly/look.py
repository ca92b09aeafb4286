"""Tonight's number of one series against its past: does it call for an A/B?"""

from __future__ import annotations

import statistics
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from farm.nightly.level import joined, levelled
from farm.nightly.verdict import Shift, shift_of
from farm_results.detect.trigger import CHANGED_NIGHTS, LEAST, Trigger, trigger
from farm_results.finding import (
    ACKNOWLEDGED,
    CANARY,
    ENVIRONMENT,
    IMPROVEMENT,
    INCONCLUSIVE,
    NEW,
    REGRESSION,
    Finding,
)
from farm_results.point import Point

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.history.baselines import Baseline
    from farm_results.model import Result
    from farm_results.store import Store

WINDOW = 200
"""Points of a series that are read: more nights than any detector looks back."""
RECOVERED = "back at the baseline with job "


@dataclass(frozen=True)
class Look:
    """``why``: it calls for an A/B; "" when it does not. ``history``: before tonight, oldest first, known
    steps levelled out; ``baseline`` None: this is the first night."""

    result: Result
    series: str
    now: Point
    points: tuple[Point, ...]
    history: tuple[Point, ...]
    findings: tuple[Finding, ...]
    trigger: Trigger
    baseline: Baseline | None
    why: str = ""

    @property
    def reference_job_id(self) -> str:
        """The result it is held against; "" without a baseline."""
        return self.baseline.job_id if self.baseline else ""

    @property
    def change(self) -> float:
        """Of tonight's number against what is usual; 0 where nothing is."""
        if self.trigger.centre is None or self.now.value is None:
            return 0.0
        return self.now.value / self.trigger.centre - 1.0

    @property
    def shift(self) -> Shift | None:
        """The same in units of the series' noise."""
        return None if self.trigger.z is None else Shift(self.change, self.trigger.z)

    @property
    def last_z(self) -> float | None:
        """How the night before stood out."""
        usable = [point for point in self.history if point.usable]
        return trigger(usable[:-1], usable[-1]).z if len(usable) > 1 else None

    def reference_shift(self, comparison: Comparison) -> Shift | None:
        """Where the reference's own level lies tonight, by its processes in the A/B, against its past."""
        medians, sigma = comparison.reference.medians_ns, self.trigger.sigma
        if self.baseline is None or not medians or sigma is None or not _by_latency(self.result):
            return None
        sha256 = self.baseline.artifact_sha256
        around = [each for each in self.findings if each.word in (ENVIRONMENT, CANARY)]
        past = levelled(self.points, around)
        values = [(p.value, p.segment) for p in past if p.usable and p.artifact_sha256 == sha256]
        here = [value for value, segment in values if segment == self.now.segment]
        usual = [value for value in (here or [value for value, _ in values]) if value is not None]
        if not usual:
            return None
        return shift_of(statistics.median(medians), statistics.median(usual[-30:]), sigma)


def look(store: Store, job_id: str, *, threshold: float, without: Collection[str] = ()) -> Look:
    """Read what was known of the series of a job that went well, when it did: a night may be judged late.

    ``without``: jobs of other attempts of the same night, which say nothing of its past. Raises as ``Store``
    does.
    """
    from farm_results.history import baselines, findings, points
    from farm_results.series import key_of, series_id

    result = store.result(job_id)
    series = series_id(key_of(result))
    read = points.points(store, series, until_unix_s=result.created_unix_s, limit=WINDOW)
    now = next((p for p in read if p.job_id == result.job_id), read[-1])
    earlier = tuple(p for p in read if p.job_id != result.job_id and p.job_id not in without)
    known = tuple(findings.of_series(store, series, limit=WINDOW))
    history = tuple(levelled(earlier, [*known, *_recoveries(known)]))
    found = trigger(history, now, threshold=threshold)
    if found.new_segment:
        found = trigger(joined(history, now.segment), now, threshold=threshold)
        found = replace(found, new_segment=True)
    base = baselines.current(store, series)
    why = _why(found, now, earlier) or _left_open(known, earlier) or _never_compared(store, found, now, base)
    return Look(result, series, now, earlier, history, known, found, base, why)


def _by_latency(result: Result) -> bool:
    from farm_results.series import number_of

    return number_of(result).metric == "p50_ns"


def _why(found: Trigger, now: Point, earlier: Sequence[Point]) -> str:
    if found.fired:
        return found.reason
    usable = [point for point in earlier if point.usable]
    if found.count < LEAST and usable and now.usable and usable[-1].artifact_sha256 != now.artifact_sha256:
        return _changed(found)
    return ""


def _never_compared(store: Store, found: Trigger, now: Point, base: Baseline | None) -> str:
    """The same where the night of the change broke off before its A/B: its number is in the past by now."""
    from farm_results.history import comparisons

    if base is None or found.count >= LEAST or not now.usable or base.artifact_sha256 == now.artifact_sha256:
        return ""
    pair = (base.artifact_sha256, now.artifact_sha256)
    taken = comparisons.of_series(store, base.series, limit=WINDOW)
    told = any((each.reference.artifact_sha256, each.candidate.artifact_sha256) == pair for each in taken)
    return "" if told else _changed(found)


def _changed(found: Trigger) -> str:
    nights = f"{found.count} night{'s' * (found.count != 1)}"
    return f"its model or conversion changed after {nights}, too few to tell noise"


def _left_open(known: Sequence[Finding], earlier: Sequence[Point]) -> str:
    """Why it is looked into once more: an A/B of one of the last three nights could not tell."""
    lately = {point.job_id for point in earlier[-CHANGED_NIGHTS:]}
    last = known[0] if known else None
    if last is None or last.word != INCONCLUSIVE or last.state != NEW or last.job_id not in lately:
        return ""
    return "an A/B of the last nights could not tell"


def _recoveries(known: Sequence[Finding]) -> list[Finding]:
    """Steps back to the baseline, which are written into the notes of what they ended."""
    found = []
    for each in known:
        words = each.note.removeprefix(RECOVERED).split() if each.note.startswith(RECOVERED) else []
        if words and each.word in (REGRESSION, IMPROVEMENT):
            found.append(replace(each, job_id=words[0], state=ACKNOWLEDGED))
    return found
