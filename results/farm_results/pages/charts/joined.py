"""Many values over time as few: of each slice its lowest, middle and highest, so that no extreme is lost."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Slice:
    """``at``: the middle of the slice's values in time; ``count``: how many values it joins."""

    at: float
    low: float
    middle: float
    high: float
    count: int


def joined(times: npt.NDArray[Any], values: npt.NDArray[Any], most: int) -> list[Slice]:
    """At most ``most`` slices of equal time, empty ones left out; values that are not finite do not count."""
    taken = np.asarray(values, dtype=np.float64)
    when = np.asarray(times, dtype=np.float64)
    known = np.isfinite(taken) & np.isfinite(when)
    taken, when = taken[known], when[known]
    if not len(taken):
        return []
    order = np.argsort(when, kind="stable")
    taken, when = taken[order], when[order]
    if len(taken) <= most:
        return [Slice(float(t), float(v), float(v), float(v), 1) for t, v in zip(when, taken, strict=True)]
    span = max(float(when[-1] - when[0]), 1e-9)
    part = np.minimum(((when - when[0]) / span * most).astype(np.int64), most - 1)
    edges = np.searchsorted(part, np.arange(most + 1))
    found = []
    for index in range(most):
        own, own_times = taken[edges[index] : edges[index + 1]], when[edges[index] : edges[index + 1]]
        if len(own):
            middle = float(np.median(own))
            at = float((own_times[0] + own_times[-1]) / 2)
            found.append(Slice(at, float(own.min()), middle, float(own.max()), len(own)))
    return found
