"""How much of a series' spread lies within a process, between processes and between nights.

More iterations only shrink the first, more processes only the first two: what is left between nights is what
a detector over the history has to live with, and what an A/B in one lease does not see.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from farm_results.detect.changepoints import steps
from farm_results.detect.robust import centre_and_sigma
from farm_results.detect.trigger import usable
from farm_results.point import Point

PROCESSES, NEWEST = 5, 365
# Variance of the median of n normal values over that of their mean (n = 1..10; then its limit).
_MEDIAN_COST = (1.0, 1.0, 1.346, 1.193, 1.434, 1.288, 1.474, 1.340, 1.494, 1.382)


@dataclass(frozen=True)
class Noise:
    """Standard deviations of the log, so 0.02 is 2 %. ``night``: of one night's number as the history shows
    it; ``between_nights``: what of it the processes do not explain. None where it cannot be told."""

    nights: int
    night: float | None
    between_nights: float | None
    between_processes: float | None
    within: float | None = None


def of_points(points: Sequence[Point], *, processes: int = PROCESSES) -> Noise:
    """From stored rows alone: the last segment's nights around their levels (a step is no noise), and each
    night's own CV between processes.

    A row does not say how many processes it had: ``processes`` is what the protocol asks for.
    """
    good = [point for point in points if usable(point)]
    good = [point for point in good if point.segment == good[-1].segment]
    values = around_levels(np.log(np.array([point.value for point in good[-NEWEST:]], dtype=np.float64)))
    spreads = [point.between_cv for point in good if point.between_cv is not None]
    between = float(np.median(spreads)) if spreads else None
    night = centre_and_sigma(values)[1] if len(values) >= 3 else None
    return Noise(len(good), night, _rest(night, between, processes), between)


def around_levels(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """What is left of a row of logs once each level between two of its steps is taken off."""
    edges = [0, *(step.index for step in steps(values)), len(values)]
    parts = [values[a:b] - np.median(values[a:b]) for a, b in itertools.pairwise(edges) if b > a]
    return np.concatenate(parts) if parts else values


def of_samples(nights: Sequence[Sequence[npt.ArrayLike]]) -> Noise:
    """From raw durations, nights of processes of runs: every component by robust spreads of medians."""
    logs = [[np.log(np.asarray(process, dtype=np.float64)) for process in night] for night in nights]
    logs = [night for night in logs if night]
    within = [centre_and_sigma(process)[1] for night in logs for process in night if len(process) > 1]
    medians = [np.array([np.median(process) for process in night]) for night in logs]
    degrees = sum(len(night) - 1 for night in medians)
    squares = sum(float(((night - night.mean()) ** 2).sum()) for night in medians)
    between = math.sqrt(squares / degrees) if degrees else None
    heads = np.array([np.median(night) for night in medians])
    night = centre_and_sigma(heads)[1] if len(heads) >= 3 else None
    usual = round(float(np.median([len(item) for item in medians]))) if medians else PROCESSES
    return Noise(
        len(logs), night, _rest(night, between, usual), between, float(np.median(within)) if within else None
    )


def _rest(night: float | None, between: float | None, processes: int) -> float | None:
    """What is left between nights once the median over the processes has had its share."""
    if night is None or between is None:
        return None
    cost = _MEDIAN_COST[processes - 1] if 1 <= processes <= len(_MEDIAN_COST) else float(np.pi / 2)
    rest = max(0.0, night * night - cost * between * between / max(processes, 1))
    return math.sqrt(rest)
