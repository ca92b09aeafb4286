"""How much a series' number moves from one run to the next while nothing changes."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Protocol

from farm_results.compare.row import DIFFERENCE

WINDOW, LEAST = 60, 5
FLOOR = 1e-4
GAUSS = 1.4826
"""A normal distribution's standard deviation in MADs; not out of ``detect``, whose numpy takes longer to load
than a comparison to make."""
EFFICIENCY = 0.37
"""Of the MAD, beside that of a standard deviation: so many degrees of freedom it is worth."""


class PastNumber(Protocol):
    """What noise is counted by: a ``Point``, or fewer of its columns where many series are read at once."""

    @property
    def job_id(self) -> str: ...
    @property
    def value(self) -> float | None: ...
    @property
    def energy_j(self) -> float | None: ...
    @property
    def peak_memory_bytes(self) -> int | None: ...
    @property
    def accuracy(self) -> float | None: ...
    @property
    def segment(self) -> str: ...
    @property
    def model_sha256(self) -> str: ...
    @property
    def artifact_sha256(self) -> str: ...
    @property
    def runtime_version(self) -> str: ...
    @property
    def usable(self) -> bool: ...


@dataclass(frozen=True)
class History:
    """``sigma``: of one run's number, of its log (or of itself for differences); ``count``: from so many
    points; ``degrees``: of freedom behind it."""

    sigma: float
    count: int
    degrees: float


def history_of(
    points: Sequence[PastNumber],
    value: Callable[[PastNumber], float | None],
    *,
    scale: str = "",
    without: Collection[str] = (),
) -> History | None:
    """Out of a series' points, oldest first; None where they are too few to tell.

    Only points that ran the very same artifact by the same toolchain in the same surroundings are held
    against each other, so that no real change of the past passes for noise. ``without``: jobs to leave out,
    those whose difference is in question.
    """
    groups: dict[tuple[str, ...], list[float]] = {}
    for point in points[-WINDOW:]:
        number = value(point) if point.usable and point.job_id not in without else None
        if number is None or not math.isfinite(number) or (scale != DIFFERENCE and number <= 0):
            continue
        kind = (point.segment, point.model_sha256, point.artifact_sha256, point.runtime_version)
        groups.setdefault(kind, []).append(number if scale == DIFFERENCE else math.log(number))
    rests = list(_rests(groups.values()))
    free = len(rests) - sum(len(group) > 1 for group in groups.values())
    if free < LEAST - 1:
        return None
    sigma = GAUSS * len(rests) / (len(rests) - 0.8) * median(map(abs, rests))
    return History(max(sigma, FLOOR), len(rests), max(1.0, EFFICIENCY * free))


def _rests(groups: Iterable[Sequence[float]]) -> Iterable[float]:
    """Each value less its group's median, widened by what the median took from a small group."""
    for group in groups:
        if len(group) > 1:
            centre, widened = median(group), math.sqrt(len(group) / (len(group) - 1.0))
            yield from ((value - centre) * widened for value in group)
