"""How much longer the second of two things takes, from pairs that were measured one right after the other.

A percentile bootstrap of the median of the pairs' log ratios (B. Efron and R. Tibshirani, An Introduction to
the Bootstrap (1993), ch. 13): whole pairs are drawn, so that what drifts from pair to pair falls out of every
ratio. With 1 % noise of each process and outliers of up to 30 % in one of twenty, the interval of level 99 %
covers the truth in 98 % of 20 pairs, and never lay wholly beyond the zone of 1 % where nothing differed
(docs/ab.md). The median makes no use of how far the far ones are, so heavy tails cost width, not coverage.

A clock that counts in coarse steps makes processes agree to the last digit: the interval is widened by its
step, as far as the times tell it, and times that are all the same tell nothing.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from farm_agent.errors import MeasurementError
from farm_results.comparison import FASTER, INCONCLUSIVE, SAME, SLOWER, Effect

LEVEL = 0.99
ZONE = 0.01
DRAWS = 4000
ROUNDING = 1e-9
LEAST_PAIRS = 8
"""The fewest whose median any interval of level 99 % can bound: 2 / 2^8 is below 1 %."""


def effect_of(
    reference_ns: Sequence[float],
    candidate_ns: Sequence[float],
    *,
    level: float = LEVEL,
    zone: float = ZONE,
    seed: int = 0,
) -> Effect:
    """The effect with its interval. ``reference_ns[k]`` and ``candidate_ns[k]`` are the medians of the two
    processes of pair k. The same input gives the same interval.

    Raises MeasurementError ab.pairs: unequal counts, fewer than 8 pairs, or a time that is none.
    """
    import numpy as np

    count = len(reference_ns)
    if count != len(candidate_ns) or count < LEAST_PAIRS:
        raise MeasurementError(
            f"{count} and {len(candidate_ns)} processes make no comparison: it takes {LEAST_PAIRS} pairs",
            code="ab.pairs",
            fix=f"measure at least {LEAST_PAIRS} pairs; 20 see a change of 3 %",
        )
    if not all(math.isfinite(each) and each > 0 for each in (*reference_ns, *candidate_ns)):
        raise MeasurementError(
            "a process of the comparison has a median that is no time", code="ab.pairs", fix="measure again"
        )
    logs = np.log(np.asarray(candidate_ns, dtype=np.float64) / np.asarray(reference_ns, dtype=np.float64))
    drawn = np.random.default_rng(seed).integers(0, count, (DRAWS, count))
    medians = np.median(logs[drawn], axis=1)
    tail = (1.0 - level) / 2.0
    step = step_of((*reference_ns, *candidate_ns), unknown=math.log1p(2 * zone))
    low, high = np.quantile(medians, [tail, 1.0 - tail]) + np.array([-step, step])
    return Effect(
        ratio=float(np.expm1(np.median(logs))),
        low=float(np.expm1(low)),
        high=float(np.expm1(high)),
        level=level,
        zone=zone,
    )


def step_of(times_ns: Sequence[float], unknown: float) -> float:
    """Where some times are equal, the least relative distance of two that are not, as a logarithm: no clock
    behind them counts in larger steps. 0 where none are equal; ``unknown`` where all are."""
    ordered = sorted(times_ns)
    gaps = [math.log(after / before) for before, after in itertools.pairwise(ordered)]
    known = [gap for gap in gaps if gap > ROUNDING]
    if len(known) == len(gaps):
        return 0.0
    return min(known, default=unknown)


def word_of(effect: Effect) -> str:
    """same, faster, slower or inconclusive: what the whole interval says. The zone is the same share of time
    either way, so that swapping the two sides swaps faster and slower and nothing else."""
    low, high, zone = math.log1p(effect.low), math.log1p(effect.high), math.log1p(effect.zone)
    if low > zone:
        return SLOWER
    if high < -zone:
        return FASTER
    return SAME if low >= -zone and high <= zone else INCONCLUSIVE
