"""The smallest change that a series can show by itself after some nights, told on every trend.

(3.29 + 0.84) * sigma * sqrt(1/n + 1/m): two-sided alpha 0.001, power 0.8, n new nights against m old ones.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from farm_results.detect.noise import of_points
from farm_results.detect.trigger import WINDOW
from farm_results.point import Point

QUANTILES = 3.2905 + 0.8416
NIGHTS = (1, 3, 5, 10)
LEAST = 5


@dataclass(frozen=True)
class Visible:
    """``change``: the smallest share that shows after ``nights`` new nights against ``history`` old ones."""

    nights: int
    change: float
    history: int
    sigma: float


def smallest_change(sigma: float, *, nights: int = 1, history: int = WINDOW) -> float:
    """As a share of the value; ``sigma`` is the standard deviation of one night's log."""
    return math.expm1(QUANTILES * sigma * math.sqrt(1.0 / nights + 1.0 / history))


def visible(points: Sequence[Point], nights: Sequence[int] = NIGHTS) -> tuple[Visible, ...]:
    """What the series of these points (oldest first) can see; empty with fewer than five usable nights in
    its last segment."""
    noise = of_points(points)
    if noise.night is None or noise.nights < LEAST:
        return ()
    history, sigma = min(noise.nights, WINDOW), noise.night
    found = (smallest_change(sigma, nights=count, history=history) for count in nights)
    return tuple(Visible(count, change, history, sigma) for count, change in zip(nights, found, strict=True))


def words(seen: Visible) -> str:
    """``sees >= 2.5 % after 3 nights``, for a trend's caption."""
    when = "1 night" if seen.nights == 1 else f"{seen.nights} nights"
    return f"sees ≥ {seen.change * 100:.1f} % after {when}"
