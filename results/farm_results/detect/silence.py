"""Series that fell silent: nothing is an alarm too, and only the series' own past says when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farm_results.point import Point

LEAST, WINDOW = 4, 30
TIMES_USUAL, TIMES_LONGEST = 2.5, 1.25
SITTING_S, DAY_S = 3600.0, 86400.0
"""Results closer together than an hour are of one sitting, and nothing is overdue within a day."""
MANY_GAPS = 10
"""Of so many gaps the longest one may have been a pause of the farm's; rotation makes more than one."""


@dataclass(frozen=True)
class Silence:
    """``kind``: "no results" where nothing at all came, "no numbers" where only failures and skips did.
    ``due_unix_s``: when the next number should have been there at the latest."""

    kind: str
    last_unix_s: float
    due_unix_s: float
    usual_gap_s: float
    failures: int = 0

    def words(self, now_unix_s: float) -> str:
        """For a message: how long it has been silent, and what is usual."""
        since, usual = _days(now_unix_s - self.last_unix_s), _days(self.usual_gap_s)
        failed = f", {self.failures} without a number" if self.failures else ""
        return f"no number for {since} (usually every {usual}{failed})"


def silence(points: Sequence[Point], now_unix_s: float) -> Silence | None:
    """Whether the series of these points (any order) is overdue; None when it is not, or too young to say.

    Overdue: longer since the last number than a day, than 2.5 times its usual gap and than 1.25 times its
    longest one, of the last 30; of ten gaps and more, the longest but one. A series measured by rotation
    has long gaps of its own. Numbers are those that were measured, whatever their verdict; results from the
    future (a clock that stepped) count as just now.
    """
    times = sorted(min(point.at_unix_s, now_unix_s) for point in points if measured(point))
    gaps = np.diff(np.array(times, dtype=np.float64))
    gaps = gaps[gaps > SITTING_S][-WINDOW:]
    if len(gaps):
        # A night that was measured twice is one night; one long pause makes no night a short gap.
        gaps = gaps[gaps > 0.1 * np.quantile(gaps, 0.9, method="lower")]
    if len(gaps) + 1 < LEAST:
        return None
    usual, longest = float(np.median(gaps)), np.sort(gaps)[-2 if len(gaps) >= MANY_GAPS else -1]
    due = times[-1] + max(TIMES_USUAL * usual, TIMES_LONGEST * float(longest), DAY_S)
    if now_unix_s <= due:
        return None
    failures = sum(1 for point in points if not measured(point) and point.at_unix_s > times[-1])
    return Silence("no numbers" if failures else "no results", times[-1], due, usual, failures)


def measured(point: Point) -> bool:
    """Whether a number was taken, believable or not."""
    return point.status == "ok" and point.value is not None


def _days(seconds: float) -> str:
    if seconds < 2 * 3600:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 48 * 3600 else f"{seconds / 86400:.0f} days"
