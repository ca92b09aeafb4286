"""How often the farm itself cries wolf: the share of A/A comparisons that it called slower or faster, and
which devices are not to be trusted for it."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farm_results.comparison import FASTER, INCONCLUSIVE, SLOWER, Comparison
from farm_results.history.comparisons import Outcome

ALL = ""
LEAST_ZONE, LEAST_FOR_ZONE = 0.01, 20
ALLOWED, LEAST_ALARMS, WINDOW = 0.01, 2, 40
"""An A/A may be called different once in a hundred times; of the newest 40, two tell that it is more."""
OUTSIDE = 0.01
"""Of the A/As of a device that is not trusted, so many should lie beyond its own zone."""

Tested = Comparison | Outcome
"""All that counts of an A/A is what it came to."""


@dataclass(frozen=True)
class FalseAlarms:
    """Of one device, or of all (``device`` ""). ``share`` of ``tests`` with its exact 95 % interval
    (Clopper-Pearson); ``spread``: 99 % of the A/A effects lie within it (None with fewer than 20).

    ``trusted``: of the newest 40, no more were called different than chance explains; where more were,
    ``zone`` is how far the device's own A/As reach, and nothing within it is called slower or faster there.
    """

    device: str
    tests: int
    alarms: int
    inconclusive: int
    share: float
    low: float
    high: float
    spread: float | None = None
    zone: float = LEAST_ZONE
    trusted: bool = True

    @property
    def words(self) -> str:
        """For people: ``calls itself different in 3 of 12 A/As: its zone is ±4.1 % instead of ±1 %``."""
        counted = f"calls itself different in {self.alarms} of {self.tests} A/As"
        if self.trusted:
            return counted
        return f"{counted}: its zone is ±{100 * self.zone:.1f} % instead of ±{100 * LEAST_ZONE:g} %"


def false_alarms(comparisons: Sequence[Tested]) -> tuple[FalseAlarms, ...]:
    """Over the A/A among them: all devices together first, then each by name. Empty without any.

    Simulated comparisons count only when there are no others: they never mix.
    """
    tests = [item for item in comparisons if item.kind == "aa"]
    real = [item for item in tests if not item.origin]
    tests = real or tests
    if not tests:
        return ()
    devices = sorted({item.device for item in tests})
    return (_of(ALL, tests), *(of_device(name, tests) for name in devices))


def of_device(device: str, comparisons: Sequence[Tested]) -> FalseAlarms:
    """Of the newest 40 A/As of one device: what was mended is forgiven in time."""
    own = [item for item in comparisons if item.kind == "aa" and item.device == device]
    return _of(device, sorted(own, key=lambda item: item.created_unix_s)[-WINDOW:])


def _of(device: str, tests: Sequence[Tested]) -> FalseAlarms:
    import numpy as np

    if not tests:
        return FalseAlarms(device, 0, 0, 0, 0.0, 0.0, 1.0)
    alarms = sum(1 for item in tests if item.word in (SLOWER, FASTER))
    unclear = sum(1 for item in tests if item.word == INCONCLUSIVE)
    low, high = share_interval(alarms, len(tests))
    effects = np.abs([np.log1p(item.effect.ratio) for item in tests if item.effect is not None])
    spread = float(np.quantile(effects, 0.99)) if len(effects) >= LEAST_FOR_ZONE else None
    trusted = device == ALL or alarms < LEAST_ALARMS or low <= ALLOWED
    zone = LEAST_ZONE if trusted else max(LEAST_ZONE, reach(effects.tolist()))
    share = alarms / len(tests)
    return FalseAlarms(device, len(tests), alarms, unclear, share, low, high, spread, zone, trusted)


def reach(effects: Sequence[float]) -> float:
    """How far the next A/As of a device will reach, but one in a hundred, as a share: by Student's t about
    zero with as many degrees of freedom as there are effects (as logs), and at least the farthest of them."""
    from farm_results.compare.chance import t_quantile

    if not effects:
        return 0.0
    spread = math.sqrt(sum(each * each for each in effects) / len(effects))
    return math.expm1(max(*effects, min(3.0, t_quantile(float(len(effects)), OUTSIDE) * spread)))


@functools.lru_cache(maxsize=1024)  # fifty devices with the same number of tests ask the same
def share_interval(hits: int, tests: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson, Biometrika 26 (1934) 404: by bisection on the binomial distribution."""
    tail = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else _solve(lambda p: 1.0 - _at_most(hits - 1, tests, p) < tail)
    high = 1.0 if hits == tests else _solve(lambda p: _at_most(hits, tests, p) > tail)
    return low, high


def _at_most(hits: int, tests: int, share: float) -> float:
    from farm_results.statistics.stats import binomial_cdf

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
