"""Whether a new number calls for an A/B on the device: a cheap question that errs on the side of asking.

A robust z on the log scale against the newest usable points of the same segment. At a threshold of 1.5 it
sends one quiet night in eight to an A/B; for three nights after the artifact changed, which is when a model
can become slower, it asks from 1.0 on. It never says by itself that anything became slower. How many steps it
misses: ``benchmarks/detection.md``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from farm_results.detect.student import two_sided_p
from farm_results.point import Point

THRESHOLD, WINDOW, LEAST = 1.5, 30, 5
CHANGED_SHARE, CHANGED_NIGHTS = 2.0 / 3.0, 3
"""Of the threshold, for so many nights after the artifact became another one."""
EFFICIENCY = 0.82
"""Of the robust spread, see ``robust``: what its nights are worth in degrees of freedom."""
ASSUMED_SIGMA = 0.02
"""Spread of a series too young to know its own."""
FLOOR_SIGMA = 0.002
"""Smaller steps than 1.5 times this lie deep inside the zone that an A/B calls the same."""


@dataclass(frozen=True)
class Trigger:
    """``z``: by how many ``sigma`` (robust, of the log, wider where few nights are known) the new value lies
    above the ``centre`` (in the series' own unit) of ``count`` earlier points. ``reason``: in words,
    why it fired or did not. ``new_segment``: usable points exist, but none in these surroundings."""

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

    ``history`` may hold ``now`` itself; it is left out. Fires in both directions; sooner
    where the artifact is another one than in one of the last three nights.
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
    change = float(np.log(now.value)) - centre
    sigma = _known_so_far(change, sigma, len(values))
    z = change / sigma
    middle = float(np.exp(centre))
    words = _words(z, now.value / middle - 1.0, len(values))
    lately = {point.artifact_sha256 for point in earlier[-CHANGED_NIGHTS:]}
    if now.artifact_sha256 and lately != {now.artifact_sha256}:
        threshold, words = threshold * CHANGED_SHARE, f"{words}, and its artifact is new"
    return Trigger(abs(z) > threshold, z, middle, sigma, len(values), words)


def usable(point: Point) -> bool:
    """Whether a detector may look at it: usable, and a positive number, since detectors take its log."""
    return point.usable and point.value is not None and 0.0 < point.value < float("inf")


def _quiet(reason: str, *, new_segment: bool = False) -> Trigger:
    return Trigger(
        fired=False, z=None, centre=None, sigma=None, count=0, reason=reason, new_segment=new_segment
    )


def _known_so_far(change: float, sigma: float, count: int) -> float:
    """The spread that turns ``change`` into an honest z: one learnt from a few nights may be far too small.

    Student's t with as many degrees of freedom as the nights are worth, told as the normal z of the same
    probability.
    """
    if count < LEAST:
        return max(sigma, ASSUMED_SIGMA)
    wide = max(sigma, FLOOR_SIGMA) * math.sqrt(1.0 + math.pi / 2.0 / count)
    chance = two_sided_p(abs(change) / wide, EFFICIENCY * (count - 1))
    z = -NormalDist().inv_cdf(max(chance / 2.0, 1e-300))
    return abs(change) / z if z > 0.1 else wide


def _words(z: float, change: float, count: int) -> str:
    direction = "above" if change >= 0 else "below"
    nights = f"{count} night" if count == 1 else f"{count} nights"
    return f"{abs(change) * 100:.1f} % {direction} the centre of {nights} (z {z:+.1f})"
