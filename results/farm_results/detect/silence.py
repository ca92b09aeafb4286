"""Series that fell silent: nothing is an alarm too, and only the series' own past says when it is due."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farm_results.point import Point

LEAST, WINDOW = 4, 30
TIMES_USUAL, TIMES_LONGEST = 2.5, 1.25


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

    Overdue: longer since the last number than 2.5 times its usual gap and 1.25 times its longest one, of the
    last 30. A series measured by rotation has long gaps of its own. Numbers are those that were measured,
    whatever their verdict; results from the future (a clock that stepped) count as just now.
    """
    times = sorted(min(point.at_unix_s, now_unix_s) for point in points if measured(point))
    gaps = np.diff(np.array(times[-WINDOW - 1 :], dtype=np.float64))
    # A night that was measured twice is one night.
    gaps = gaps[gaps > 0.1 * gaps.max()] if len(gaps) and gaps.max() > 0 else gaps[:0]
    if len(gaps) + 1 < LEAST:
        return None
    usual = float(np.median(gaps))
    due = times[-1] + max(TIMES_USUAL * usual, TIMES_LONGEST * float(gaps.max()))
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
