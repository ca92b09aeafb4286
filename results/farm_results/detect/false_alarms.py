"""How often the farm itself cries wolf: the share of A/A comparisons that it called slower or faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from farm_results.comparison import FASTER, INCONCLUSIVE, SLOWER, Comparison
from farm_results.statistics.stats import binomial_cdf

ALL = ""
LEAST_ZONE, LEAST_FOR_ZONE = 0.01, 20


@dataclass(frozen=True)
class FalseAlarms:
    """Of one device, or of all (``device`` ""). ``share`` of ``tests`` with its exact 95 % interval
    (Clopper-Pearson); ``spread``: 99 % of the A/A effects lie within it (None with fewer than 20);
    ``zone``: a zone of equivalence that this device deserves, at least 1 %."""

    device: str
    tests: int
    alarms: int
    inconclusive: int
    share: float
    low: float
    high: float
    spread: float | None = None
    zone: float = LEAST_ZONE


def false_alarms(comparisons: Sequence[Comparison]) -> tuple[FalseAlarms, ...]:
    """Over the A/A among them: all devices together first, then each by name. Empty without any.

    Simulated comparisons count only when there are no others: they never mix.
    """
    tests = [item for item in comparisons if item.kind == "aa"]
    real = [item for item in tests if not item.origin]
    tests = real or tests
    if not tests:
        return ()
    devices = sorted({item.device for item in tests})
    return (
        _of(ALL, tests),
        *(_of(name, [item for item in tests if item.device == name]) for name in devices),
    )


def _of(device: str, tests: Sequence[Comparison]) -> FalseAlarms:
    alarms = sum(1 for item in tests if item.word in (SLOWER, FASTER))
    unclear = sum(1 for item in tests if item.word == INCONCLUSIVE)
    low, high = share_interval(alarms, len(tests))
    effects = np.abs([np.log1p(item.effect.ratio) for item in tests if item.effect is not None])
    enough = len(effects) >= LEAST_FOR_ZONE
    spread = float(np.quantile(effects, 0.99)) if enough else None
    zone = max(LEAST_ZONE, spread or 0.0)
    return FalseAlarms(device, len(tests), alarms, unclear, alarms / len(tests), low, high, spread, zone)


def share_interval(hits: int, tests: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson, Biometrika 26 (1934) 404: by bisection on the binomial distribution."""
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else _solve(lambda p: 1.0 - _at_most(hits - 1, tests, p) < tail)
    high = 1.0 if hits == tests else _solve(lambda p: _at_most(hits, tests, p) > tail)
    return low, high


def _at_most(hits: int, tests: int, share: float) -> float:
    first, cdf = binomial_cdf(tests, share)
    if hits < first:
        return 0.0
    return float(cdf[min(hits - first, len(cdf) - 1)])


def _solve(below: Callable[[float], bool]) -> float:
    """The share at which ``below`` turns from true to false."""
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0
