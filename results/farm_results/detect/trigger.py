"""Whether a new number calls for an A/B on the device: a cheap question that errs on the side of asking.

A robust z on the log scale against the newest usable points of the same segment. At a threshold of 1.5 it
sends about one quiet night in ten to an A/B and misses few real steps (``benchmarks/detection.md``); it
never says by itself that anything became slower.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm_results.point import Point

THRESHOLD, WINDOW, LEAST = 1.5, 30, 5
ASSUMED_SIGMA = 0.02
"""Spread of a series too young to know its own."""
FLOOR_SIGMA = 0.002
"""Smaller steps than 1.5 times this lie deep inside the zone that an A/B calls the same."""


@dataclass(frozen=True)
class Trigger:
    """``z``: by how many ``sigma`` (robust, of the log) the new value lies above the ``centre`` (in the
    series' own unit) of ``count`` earlier points. ``reason``: in words, why it fired or did not.
    ``new_segment``: usable points exist, but none in the surroundings of the new one."""

    fired: bool
    z: float | None
    centre: float | None
    sigma: float | None
    count: int
    reason: str
    new_segment: bool = False


def trigger(
    history: Sequence[Point], now: Point, *, threshold: float = THRESHOLD, window: int = WINDOW
) -> Trigger:
    """Hold ``now`` against the last ``window`` usable points of its segment in ``history``, oldest first.

    ``history`` may hold ``now`` itself; it is left out. Fires in both directions.
    """
    import numpy as np

    from farm_results.detect.robust import centre_and_sigma

    if now.value is None or not usable(now):
        word = now.verdict if now.status == "ok" and now.verdict else now.status
        return _quiet(f"nothing to hold against the past: {word}")
    earlier = [point for point in history if usable(point) and point.job_id != now.job_id]
    same = [point.value for point in earlier if point.segment == now.segment and point.value is not None]
    values = np.log(np.array(same[-window:], dtype=np.float64))
    if not len(values):
        new = bool(earlier)
        reason = "the first night in these surroundings" if new else "the first night of this series"
        return _quiet(reason, new_segment=new)
    centre, sigma = centre_and_sigma(values)
    sigma = max(sigma, FLOOR_SIGMA) if len(values) >= LEAST else max(sigma, ASSUMED_SIGMA)
    z = (float(np.log(now.value)) - centre) / sigma
    fired = abs(z) > threshold
    middle = float(np.exp(centre))
    return Trigger(fired, z, middle, sigma, len(values), _words(z, now.value / middle - 1.0, len(values)))


def usable(point: Point) -> bool:
    """Whether a detector may look at it: usable, and a positive number, since detectors take its log."""
    return point.usable and point.value is not None and 0.0 < point.value < float("inf")


def _quiet(reason: str, *, new_segment: bool = False) -> Trigger:
    return Trigger(
        fired=False, z=None, centre=None, sigma=None, count=0, reason=reason, new_segment=new_segment
    )


def _words(z: float, change: float, count: int) -> str:
    direction = "above" if change >= 0 else "below"
    nights = f"{count} night" if count == 1 else f"{count} nights"
    return f"{abs(change) * 100:.1f} % {direction} the centre of {nights} (z {z:+.1f})"
