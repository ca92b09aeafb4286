"""The tail of Student's t, by the continued fraction of the incomplete beta function (Lentz's way)."""

from __future__ import annotations

import math

_TINY = 1e-300


def two_sided_p(t: float, degrees: float) -> float:
    """The chance of |T| at least ``t`` with ``degrees`` degrees of freedom (need not be whole)."""
    if not math.isfinite(t):
        return 0.0 if not math.isnan(t) else 1.0
    return _beta_share(degrees / 2.0, 0.5, degrees / (degrees + t * t))


def _beta_share(a: float, b: float, x: float) -> float:
    """The regularised incomplete beta function I_x(a, b)."""
    if x <= 0.0:
        return 0.0
    if x >= 1.0:
        return 1.0
    if x > (a + 1.0) / (a + b + 2.0):
        return 1.0 - _beta_share(b, a, 1.0 - x)
    log_front = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(log_front) * _fraction(a, b, x) / a


def _fraction(a: float, b: float, x: float) -> float:
    c, d = 1.0, 1.0 / _away(1.0 - (a + b) * x / (a + 1.0))
    value = d
    for m in range(1, 300):
        even = m * (b - m) * x / ((a + 2 * m - 1.0) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1.0))
        for step in (even, odd):
            d = 1.0 / _away(1.0 + step * d)
            c = _away(1.0 + step / c)
            value *= c * d
        if abs(c * d - 1.0) < 1e-14:
            break
    return value


def _away(value: float) -> float:
    """Never zero: it is divided by."""
    return value if abs(value) > _TINY else _TINY
