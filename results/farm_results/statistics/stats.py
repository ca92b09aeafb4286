"""Quantiles and their exact, distribution-free intervals.

Sources: W. J. Conover, Practical Nonparametric Statistics, 3rd ed. (1999), section 3.2; G. J. Hahn and
W. Q. Meeker, Statistical Intervals (1991), sections 5.2 and 5.3. The number of samples below the quantile
xi_p is binomial(n, p), whatever the distribution of the samples is, so with x(1) <= ... <= x(n)

    P(x(r) <= xi_p <= x(s)) >= P(r <= B <= s - 1).

Trends: H. Theil, Proc. KNAW 53 (1950); P. K. Sen, JASA 63 (1968) 1379; H. B. Mann, Econometrica 13 (1945)
245; M. G. Kendall, Rank Correlation Methods, 4th ed. (1975), section 4.4 for ties.
"""

from __future__ import annotations

import functools
import math
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.integer[Any]]

CONFIDENCE = 0.95
TREND_BINS = 30
BIN_SAMPLES = 5
LEAST_BINS = 8


def binomial_cdf(count: int, share: float) -> tuple[int, npt.NDArray[np.float64]]:
    """(k0, F) with F[i] = P(B <= k0 + i) for B ~ binomial(count, share), 0 < share < 1.

    Built from the ratios of neighbouring probabilities, so it needs no factorials. For large counts only
    the window of +- 15 standard deviations is built; what lies outside is below 1e-30.
    """
    mean = count * share
    reach = 15.0 * math.sqrt(mean * (1.0 - share)) + 100.0
    low, high = max(0, math.floor(mean - reach)), min(count, math.ceil(mean + reach))
    k = np.arange(low, high, dtype=np.float64)
    steps = np.log((count - k) / (k + 1.0)) + math.log(share / (1.0 - share))
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    weights = np.exp(logs - logs.max())
    return low, np.cumsum(weights) / weights.sum()


@functools.lru_cache(maxsize=256)
def interval_ranks(count: int, share: float, confidence: float = CONFIDENCE) -> tuple[int, int] | None:
    """Ranks (r, s), from 1, of the order statistics that bound the quantile, each side failing with at
    most (1 - confidence) / 2. None when ``count`` samples cannot bound it on both sides."""
    tail = (1.0 - confidence) / 2.0
    low, cdf = binomial_cdf(count, share)
    # r is the largest rank with P(B <= r - 1) <= tail; s the smallest with P(B <= s - 1) >= 1 - tail.
    lower = low + int(np.searchsorted(cdf, tail, side="right"))
    upper = low + int(np.searchsorted(cdf, 1.0 - tail, side="left")) + 1
    return (lower, upper) if lower >= 1 and upper <= count else None


def minimum_count(share: float, confidence: float = CONFIDENCE) -> int:
    """The smallest count whose maximum is an upper confidence bound of the quantile: 1 - p^n >= confidence.
    For a quantile below the median the same of the minimum, by symmetry.

    Below it, a percentile is only the largest value seen so far under another name.
    """
    return max(1, math.ceil(math.log1p(-confidence) / math.log(max(share, 1.0 - share)) - 1e-12))


def quantile(ordered: Floats | Ints, share: float) -> float:
    """The smallest value with at least ``share`` of all at or below it; ``ordered`` is sorted."""
    rank = max(1, math.ceil(share * len(ordered) - 1e-9))
    return float(ordered[rank - 1])


def quantile_or_none(ordered: Floats | Ints, share: float) -> float | None:
    """``quantile``, or None when the count does not support it (``minimum_count``)."""
    return quantile(ordered, share) if len(ordered) >= minimum_count(share) else None


def interval(
    ordered: Floats | Ints, share: float, confidence: float = CONFIDENCE
) -> tuple[float, float] | None:
    """The exact interval of a quantile of sorted samples; None when it is not estimable."""
    ranks = interval_ranks(len(ordered), share, confidence)
    return None if ranks is None else (float(ordered[ranks[0] - 1]), float(ordered[ranks[1] - 1]))


def mad(values: Floats | Ints) -> float:
    """Median of |x - median(x)|, unscaled."""
    return float(np.median(np.abs(values - np.median(values))))


def trend(values: Floats | Ints) -> tuple[float, float] | None:
    """(slope, p): by how much ``values``, in the order they were taken, rise from the first to the last, as
    a share of their median (Theil-Sen), and the two-sided chance of such a trend by luck (Mann-Kendall).

    Taken over the medians of up to 30 slices, so that neither outliers nor the likeness of neighbouring
    samples makes a trend. None with fewer than 40 samples, or a median of zero.
    """
    bins = min(TREND_BINS, len(values) // BIN_SAMPLES)
    if bins < LEAST_BINS:
        return None
    medians = np.array([float(np.median(part)) for part in np.array_split(values, bins)])
    centre = float(np.median(medians))
    if centre <= 0:
        return None
    rows, columns = np.triu_indices(bins, 1)
    rises = medians[columns] - medians[rows]
    slope = float(np.median(rises / (columns - rows))) * bins / centre
    return slope, _mann_kendall(float(np.sign(rises).sum()), medians)


def _mann_kendall(score: float, medians: npt.NDArray[np.float64]) -> float:
    """Two-sided p of the score S, by the normal approximation with its correction for ties."""
    n = len(medians)
    _, ties = np.unique(medians, return_counts=True)
    variance = (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18.0
    if variance <= 0:
        return 1.0
    z = max(0.0, abs(score) - 1.0) / math.sqrt(variance)
    return math.erfc(z / math.sqrt(2.0))
