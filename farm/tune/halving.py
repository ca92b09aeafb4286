"""How many of those looked at deserve a closer look, and which: successive halving by promise."""

from __future__ import annotations

import math
from collections.abc import Sequence

from farm.tune.front import Entry, possible, ranked
from farm.tune.goals import Constraint, Metric

# Of the points screened, a quarter is looked at again and a tenth is measured whole, but never fewer than
# one per objective and one more.
SHARES = {"second look": 0.25, "measurement": 0.1}


def survivors(
    entries: Sequence[Entry],
    goals: Sequence[Metric],
    constraints: Sequence[Constraint],
    *,
    stage: str,
    screened: int,
) -> list[Entry]:
    """Those that go on to ``stage``, the most promising first. ``screened``: points that ran at first."""
    left = possible(entries, goals, constraints)
    return ranked(left, goals)[: limit_of(stage, screened, goals)]


def limit_of(stage: str, screened: int, goals: Sequence[Metric]) -> int:
    """The most that go on to ``stage``."""
    return max(len(goals) + 1, math.ceil(SHARES[stage] * screened))
