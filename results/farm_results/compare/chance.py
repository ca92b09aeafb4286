"""Chances: Student's t at its quantiles, and many tests at once.

Y. Benjamini and Y. Hochberg, J. R. Statist. Soc. B 57 (1995) 289. F. E. Satterthwaite, Biometrics Bulletin 2
(1946) 110, for the degrees of freedom of a sum of variances.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

from farm_results.detect.student import two_sided_p


@functools.lru_cache(maxsize=4096)
def t_quantile(degrees: float, alpha: float = 0.05) -> float:
    """The t that is exceeded, on either side, with the chance ``alpha``; by bisection."""
    low, high = 0.0, 1.0
    while two_sided_p(high, degrees) > alpha and high < 1e9:
        low, high = high, high * 2.0
    for _ in range(80):
        middle = (low + high) / 2.0
        if two_sided_p(middle, degrees) > alpha:
            low = middle
        else:
            high = middle
    return (low + high) / 2.0


MOST = 1000.0


def degrees_of(parts: Sequence[tuple[float, float]]) -> float:
    """Of freedom of a sum of variances, each with its own: (variance, degrees). Rounded down to
    tenths, at least one, at most a thousand: quantiles are then found once for many rows."""
    total = sum(variance for variance, _ in parts)
    below = sum(variance**2 / degrees for variance, degrees in parts)
    found = total**2 / below if below > 0 else MOST
    return max(1.0, math.floor(min(found, MOST) * 10.0) / 10.0)


def benjamini_hochberg(chances: Sequence[float]) -> tuple[float, ...]:
    """The smallest share of false alarms among the rows called changed at which each row would be one."""
    count = len(chances)
    order = sorted(range(count), key=lambda index: chances[index], reverse=True)
    found, least = [0.0] * count, 1.0
    for place, index in enumerate(order):
        least = min(least, chances[index] * count / (count - place))
        found[index] = least
    return tuple(found)
