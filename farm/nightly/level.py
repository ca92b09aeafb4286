"""A series whose level moved once and stays there must not call for an A/B every night."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import replace

from farm_results.finding import CANARY, ENVIRONMENT, IMPROVEMENT, INVALID, REGRESSION, Finding
from farm_results.point import Point

STEPS = (REGRESSION, IMPROVEMENT, ENVIRONMENT, CANARY)


def levelled(points: Sequence[Point], findings: Sequence[Finding]) -> list[Point]:
    """The points (oldest first), those before each known step moved to the level after the last one, so that
    their spread still counts. A step that a person called invalid was none.

    Points of other segments stay as they are: nothing is held against them.
    """
    jobs = {each.job_id for each in findings if each.state != INVALID and each.word in STEPS}
    spans: list[list[Point]] = [[]]
    for point in points:
        if point.job_id in jobs and spans[-1]:
            spans.append([])
        spans[-1].append(point)
    segment = points[-1].segment if points else ""
    level = _level(spans[-1], segment)
    found: list[Point] = []
    for span in spans:
        own = _level(span, segment)
        factor = level / own if level and own else 1.0
        found += [_scaled(point, factor) if point.segment == segment else point for point in span]
    return found


def joined(points: Sequence[Point], segment: str) -> list[Point]:
    """The points as if all of them stood in one segment: for the first night in new surroundings."""
    return [replace(point, segment=segment) for point in points]


def _scaled(point: Point, factor: float) -> Point:
    return point if point.value is None else replace(point, value=point.value * factor)


def _level(span: Sequence[Point], segment: str) -> float | None:
    values = [p.value for p in span if p.usable and p.segment == segment and p.value is not None]
    return statistics.median(values) if values else None
