"""95 % intervals of shares and of differences between two models on the same samples.

Wilson's score interval: E. B. Wilson, JASA 22 (1927) 209. Paired difference of shares: R. G. Newcombe,
Statistics in Medicine 17 (1998) 2635, method 10 (score intervals joined by the correlation phi, with its
continuity correction). Everything else: percentile bootstrap over samples, B. Efron and R. J. Tibshirani, An
Introduction to the Bootstrap (1993), chapter 13, with a fixed seed.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

Z = 1.959963984540054  # standard normal quantile of 0.975
RESAMPLES = 2000
SEED = 0
_WORK = 50_000_000  # rows drawn at most, over all resamples
LEAST_SAMPLES = 2


def wilson(correct: int, count: int) -> tuple[float, float]:
    """Of the share correct / count. Raises ValueError without samples."""
    if count < 1:
        raise ValueError("no samples")
    share = correct / count
    centre = share + Z * Z / (2 * count)
    half = Z * math.sqrt(share * (1 - share) / count + Z * Z / (4 * count * count))
    scale = 1 + Z * Z / count
    low = 0.0 if correct == 0 else (centre - half) / scale
    high = 1.0 if correct == count else (centre + half) / scale
    return low, high


def newcombe(both: int, first: int, second: int, neither: int) -> tuple[float, float]:
    """Of share 1 - share 2, where ``both`` samples are hits of both, ``first`` of the first alone, and so on.

    Raises ValueError without samples.
    """
    count = both + first + second + neither
    (low1, high1), (low2, high2) = wilson(both + first, count), wilson(both + second, count)
    share1, share2 = (both + first) / count, (both + second) / count
    phi = _phi(both, first, second, neither)
    difference = (first - second) / count
    below = _joined(share1 - low1, high2 - share2, phi)
    above = _joined(high1 - share1, share2 - low2, phi)
    return max(-1.0, difference - below), min(1.0, difference + above)


def _phi(both: int, first: int, second: int, neither: int) -> float:
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    if margins == 0:
        return 0.0
    product = both * neither - first * second
    half = (both + first + second + neither) / 2
    corrected = max(0.0, product - half) if product > 0 else float(product)
    return corrected / math.sqrt(margins)


def _joined(one: float, other: float, phi: float) -> float:
    return math.sqrt(max(0.0, one * one - 2 * phi * one * other + other * other))


def bootstrap(count: int, statistic: Callable[[np.ndarray[Any, Any]], float]) -> tuple[float, float] | None:
    """Of ``statistic(rows)``, rows being indices drawn with replacement; None where it cannot be told."""
    import numpy as np

    if count < LEAST_SAMPLES:
        return None
    generator = np.random.Generator(np.random.PCG64(SEED))
    times = max(200, min(RESAMPLES, _WORK // count))
    found = [statistic(generator.integers(0, count, count)) for _ in range(times)]
    return percentiles(found)


def percentiles(found: list[float]) -> tuple[float, float] | None:
    """The middle 95 % of resampled values; None when there are too few, one is not finite, or they are all
    the same: samples without any variation tell nothing of how far others would vary."""
    import numpy as np

    values = np.array(found, dtype=np.float64)
    if len(values) < 100 or not np.isfinite(values).all():
        return None
    low, high = np.quantile(values, [0.025, 0.975])
    return (float(low), float(high)) if low < high else None
