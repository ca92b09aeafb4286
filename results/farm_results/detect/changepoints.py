"""Where a series changed its level: for the trend's page and to bisect by; never an alarm by itself.

E-divisive finds the places (N. A. James and D. S. Matteson, J. Stat. Software 62 (2014), with exponent 1, on
the log), Student's t decides which of them hold: with one degree of freedom less per segment, its variance
raised where neighbouring nights resemble each other, and its p multiplied by the number of places that were
looked at, since the best of many always looks good. Outliers are clipped first (Hampel).
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farm_results.detect.robust import Floats, hampel
from farm_results.detect.student import two_sided_p
from farm_results.detect.trigger import usable
from farm_results.point import Point

MOST_POINTS = 1000
MAX_P, MIN_CHANGE, LEAST = 0.005, 0.01, 3
MOST_LIKENESS = 0.9


@dataclass(frozen=True)
class ChangePoint:
    """The first point of a new level. ``before`` and ``after``: the levels in the series' own unit;
    ``effect``: after / before - 1; ``previous_job_id``: the last point of the old level, the other end of a
    bisection. ``index``: among the points that were handed in."""

    index: int
    at_unix_s: float
    job_id: str
    previous_job_id: str
    before: float
    after: float
    effect: float
    p: float


@dataclass(frozen=True)
class Step:
    """A change in a row of numbers: ``index`` of the first value of the new level; levels as means."""

    index: int
    before: float
    after: float
    p: float


def change_points(
    points: Sequence[Point], *, max_p: float = MAX_P, min_change: float = MIN_CHANGE
) -> tuple[ChangePoint, ...]:
    """Of the newest 1000 usable points, oldest first; each segment for itself, since a step between two
    surroundings is no change of the model (``segment_starts``)."""
    known = [(index, point) for index, point in enumerate(points) if usable(point)][-MOST_POINTS:]
    found: list[ChangePoint] = []
    for segment in dict.fromkeys(point.segment for _, point in known):
        rows = [(index, point) for index, point in known if point.segment == segment]
        values = np.log(np.array([point.value for _, point in rows], dtype=np.float64))
        for step in steps(values, max_p=max_p, min_change=min_change):
            index, point = rows[step.index]
            before, after = float(np.exp(step.before)), float(np.exp(step.after))
            change = after / before - 1.0
            previous = rows[step.index - 1][1].job_id
            found.append(
                ChangePoint(index, point.at_unix_s, point.job_id, previous, before, after, change, step.p)
            )
    return tuple(sorted(found, key=lambda change: change.index))


def segment_starts(points: Sequence[Point]) -> tuple[int, ...]:
    """Indices of the points with which other surroundings than those before began (the first is none)."""
    starts, last = [], None
    for index, point in enumerate(points):
        if point.status == "ok":
            if last is not None and point.segment != last:
                starts.append(index)
            last = point.segment
    return tuple(starts)


def steps(values: Floats, *, max_p: float = MAX_P, min_change: float = MIN_CHANGE) -> tuple[Step, ...]:
    """The steps of a row of logs, left to right."""
    if len(values) < 2 * LEAST:
        return ()
    clipped = hampel(np.asarray(values, dtype=np.float64))
    distances = np.abs(clipped[:, None] - clipped[None, :])
    places: list[int] = []
    _divide(clipped, distances, 0, len(clipped), max_p, places)
    return _prune(clipped, sorted(places), max_p, min_change)


def best_split(distances: Floats) -> int:
    """The place that E-divisive prefers: the first index of the right part; at least 3 on each side."""
    count = len(distances)
    at = np.arange(LEAST, count - LEAST + 1)
    corner = distances.cumsum(0).cumsum(1)
    left, whole = corner[at - 1, at - 1], corner[-1, -1]
    cross = corner[at - 1, -1] - left
    right = whole - left - 2.0 * cross
    n, m = at.astype(np.float64), (count - at).astype(np.float64)
    energy = 2.0 * cross / (n * m) - left / (n * (n - 1.0)) - right / (m * (m - 1.0))
    return int(at[np.argmax(energy * n * m / (n + m))])


def _divide(values: Floats, distances: Floats, start: int, end: int, max_p: float, places: list[int]) -> None:
    """Split [start, end) as long as it pays; weak splits (10 times the p) stay in until ``_prune``, because
    a step up that is undone later is only seen once both are there."""
    if end - start < 2 * LEAST:
        return
    place = start + best_split(distances[start:end, start:end])
    if _p(values[start:place], values[place:end], 1.0) > min(0.05, 10.0 * max_p):
        return
    places.append(place)
    _divide(values, distances, start, place, max_p, places)
    _divide(values, distances, place, end, max_p, places)


def _prune(values: Floats, places: list[int], max_p: float, min_change: float) -> tuple[Step, ...]:
    """Drop the worst place until all that are left hold against their neighbours."""
    while True:
        edges = [0, *places, len(values)]
        like = likeness(values, places)
        found = []
        for left, place, right in zip(edges, edges[1:-1], edges[2:], strict=False):
            old, new = values[left:place], values[place:right]
            p = min(1.0, _p(old, new, (1.0 + like) / (1.0 - like)) * max(1, right - left - 2 * LEAST + 1))
            found.append(Step(place, float(old.mean()), float(new.mean()), p))
        bad = [
            step for step in found if step.p > max_p or abs(np.expm1(step.after - step.before)) < min_change
        ]
        if not bad:
            return tuple(found)
        places.remove(max(bad, key=lambda step: step.p).index)


def likeness(values: Floats, places: Sequence[int]) -> float:
    """Lag-1 autocorrelation around the levels between ``places``, corrected for its bias, 0 to 0.9."""
    edges = [0, *places, len(values)]
    rest = np.concatenate([values[a:b] - values[a:b].mean() for a, b in itertools.pairwise(edges)])
    squares = float((rest**2).sum())
    if len(rest) < 4 or squares <= 0.0:
        return 0.0
    raw = float((rest[1:] * rest[:-1]).sum()) / squares
    corrected = raw + (1.0 + 3.0 * raw) * (len(edges) - 1) / len(rest)
    return min(max(corrected, 0.0), MOST_LIKENESS)


def _p(old: Floats, new: Floats, inflation: float) -> float:
    """Two-sided p of Student's t with pooled variance; nights that resemble each other count for fewer."""
    degrees = len(old) + len(new) - 2
    if degrees < 1:
        return 1.0
    squares = float(((old - old.mean()) ** 2).sum() + ((new - new.mean()) ** 2).sum())
    error = (squares / degrees * (1.0 / len(old) + 1.0 / len(new)) * inflation) ** 0.5
    gap = abs(float(new.mean() - old.mean()))
    if error == 0.0:
        return 0.0 if gap > 0 else 1.0
    return two_sided_p(gap / error, max(1.0, degrees / inflation))
