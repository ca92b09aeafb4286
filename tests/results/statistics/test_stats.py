"""Quantiles and their exact intervals, against published tables and brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest

from farm_results.statistics.stats import (
    binomial_cdf,
    interval,
    interval_ranks,
    mad,
    minimum_count,
    quantile,
    quantile_or_none,
    trend,
)


@pytest.mark.parametrize(
    ("share", "at_95", "at_99"),
    [(0.5, 5, 7), (0.9, 29, 44), (0.95, 59, 90), (0.99, 299, 459), (0.999, 2995, 4603)],
)
def test_minimum_count_matches_the_published_table(share: float, at_95: int, at_99: int) -> None:
    """Hahn & Meeker: the smallest n with 1 - p^n >= confidence."""
    assert minimum_count(share) == at_95
    assert minimum_count(share, 0.99) == at_99
    assert 1 - share**at_95 >= 0.95 > 1 - share ** (at_95 - 1)


@pytest.mark.parametrize(
    ("count", "ranks"),
    [(6, (1, 6)), (8, (1, 8)), (9, (2, 8)), (10, (2, 9)), (12, (3, 10)), (15, (4, 12)), (20, (6, 15)),
     (25, (8, 18)), (30, (10, 21)), (50, (18, 33)), (100, (40, 61))],
)  # fmt: skip
def test_ranks_of_the_median_match_the_sign_test_table(count: int, ranks: tuple[int, int]) -> None:
    """Two-sided 95 % ranks as tables of the sign test print them (Conover, table of the binomial)."""
    assert interval_ranks(count, 0.5) == ranks


def test_five_samples_cannot_bound_the_median_on_both_sides() -> None:
    """2 * 0.5^5 is above 5 %; an interval of [min, max] would claim too much."""
    assert interval_ranks(5, 0.5) is None
    assert interval(np.arange(5.0), 0.5) is None


@pytest.mark.parametrize("count", [1, 2, 7, 37, 300, 1000])
@pytest.mark.parametrize("share", [0.05, 0.5, 0.9, 0.99])
def test_ranks_are_the_tightest_that_cover(count: int, share: float) -> None:
    """Against exact sums of binomial coefficients: each side fails with at most 2.5 %, and barely so."""
    below = [math.comb(count, k) * share**k * (1 - share) ** (count - k) for k in range(count + 1)]

    def cdf(k: int) -> float:
        return math.fsum(below[: k + 1])

    ranks = interval_ranks(count, share)
    if ranks is None:
        assert cdf(0) > 0.025 or cdf(count - 1) < 0.975
        return
    low, high = ranks
    assert cdf(low - 1) <= 0.025 < cdf(low)
    assert cdf(high - 1) >= 0.975 > cdf(high - 2)


def test_a_million_samples_agree_with_the_normal_limit() -> None:
    """For n = 10^6 the ranks are np -+ 1.96 sqrt(np(1-p)) to within a rank or two."""
    for share in (0.5, 0.99):
        ranks = interval_ranks(1_000_000, share)
        assert ranks is not None
        half = 1.959964 * math.sqrt(1e6 * share * (1 - share))
        assert ranks[0] == pytest.approx(1e6 * share - half, abs=2)
        assert ranks[1] == pytest.approx(1e6 * share + half + 1, abs=2)


def test_the_distribution_function_ends_at_one() -> None:
    low, cdf = binomial_cdf(1_000_000, 0.001)
    assert 0 < low < 1000 < low + len(cdf)
    assert cdf[-1] == pytest.approx(1.0, abs=1e-12)
    assert np.all(np.diff(cdf) >= 0)


def test_the_interval_covers_the_true_median_as_often_as_it_claims() -> None:
    """Simulated on a skewed distribution: at least 95 % minus what 2000 draws can miss."""
    rng = np.random.default_rng(7)
    truth = math.log(2.0)
    hits = 0
    for _ in range(2000):
        bounds = interval(np.sort(rng.exponential(1.0, 41)), 0.5)
        assert bounds is not None
        hits += bounds[0] <= truth <= bounds[1]
    assert hits / 2000 >= 0.94


def test_a_percentile_without_support_is_none_never_the_maximum() -> None:
    values = np.arange(1.0, 300.0)
    assert quantile_or_none(values, 0.99) == 297.0
    assert quantile_or_none(values[:298], 0.99) is None


def test_quantile_is_the_smallest_value_with_enough_at_or_below() -> None:
    values = np.array([10.0, 20.0, 30.0, 40.0])
    assert [quantile(values, share) for share in (0.01, 0.25, 0.26, 0.5, 1.0)] == [10, 10, 20, 20, 40]
    assert mad(np.array([1.0, 2.0, 9.0])) == 1.0


def test_a_low_quantile_needs_as_many_samples_as_its_mirror() -> None:
    assert minimum_count(0.05) == minimum_count(0.95)
    assert quantile_or_none(np.arange(58.0), 0.05) is None
    assert quantile_or_none(np.arange(59.0), 0.05) == 2.0


def test_a_trend_is_theil_and_sen_s_slope_over_the_whole() -> None:
    """A line from 100 to 110 rises by a tenth of its middle; a few wild values change nothing."""
    line = np.linspace(100.0, 110.0, 3000)
    line[::100] = 1e6
    found = trend(line)
    assert found is not None
    assert found[0] == pytest.approx(10 / 105, rel=0.02)
    assert found[1] < 1e-6


def test_noise_has_a_trend_as_rarely_as_its_p_says() -> None:
    """Mann-Kendall, simulated: p below 0.05 in about a twentieth of 400 series without one."""
    rng = np.random.default_rng(11)
    found = [trend(rng.normal(100.0, 1.0, 300)) for _ in range(400)]
    share = np.mean([one is not None and one[1] < 0.05 for one in found])
    assert 0.01 < share < 0.09


def test_too_few_samples_have_no_trend() -> None:
    assert trend(np.arange(39.0)) is None
    assert trend(np.arange(40.0)) is not None
    assert trend(np.zeros(100)) is None
    constant = trend(np.full(100, 7.0))
    assert constant == (0.0, 1.0)
