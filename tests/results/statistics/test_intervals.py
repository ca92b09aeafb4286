"""Intervals against published examples, and their honesty where there is nothing to say."""

from __future__ import annotations

import numpy as np
import pytest

from farm_results.statistics import intervals


def test_wilson_s_interval_is_that_of_newcombe_s_example() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 857, table I: 81 of 263."""
    assert intervals.wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)


@pytest.mark.parametrize("count", [1, 3, 400])
def test_a_share_of_none_or_all_has_an_interval_with_one_closed_end(count: int) -> None:
    assert intervals.wilson(0, count)[0] == 0.0
    assert intervals.wilson(0, count)[1] > 0.0
    assert intervals.wilson(count, count)[1] == 1.0
    assert intervals.wilson(count, count)[0] < 1.0


def test_a_paired_difference_is_that_of_newcombe_s_example() -> None:
    """R. G. Newcombe, Statistics in Medicine 17 (1998) 2635, table II, method 10: 36, 12, 2, 0."""
    assert intervals.newcombe(36, 12, 2, 0) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_a_positive_correlation_is_taken_with_its_continuity_correction() -> None:
    """Method 10 written out for 20, 4, 2, 10: phi from 20 * 10 - 4 * 2 - 36 / 2."""
    (low1, high1), (low2, high2) = intervals.wilson(24, 36), intervals.wilson(22, 36)
    phi = 174 / np.sqrt(24 * 12 * 22 * 14)
    one, two = 24 / 36 - low1, high2 - 22 / 36
    below = np.sqrt(one**2 - 2 * phi * one * two + two**2)
    one, two = high1 - 24 / 36, 22 / 36 - low2
    above = np.sqrt(one**2 - 2 * phi * one * two + two**2)
    assert intervals.newcombe(20, 4, 2, 10) == pytest.approx((2 / 36 - below, 2 / 36 + above))


def test_pairing_narrows_the_interval_and_swapping_mirrors_it() -> None:
    low, high = intervals.newcombe(380, 3, 7, 10)
    unpaired = intervals.newcombe(373, 10, 14, 3)
    assert high - low < unpaired[1] - unpaired[0]
    assert intervals.newcombe(380, 7, 3, 10) == pytest.approx((-high, -low))


def test_models_that_agree_on_every_sample_still_have_an_interval() -> None:
    low, high = intervals.newcombe(396, 0, 0, 4)
    assert low < 0 < high


def test_the_bootstrap_of_a_mean_is_near_the_normal_interval_and_the_same_every_time() -> None:
    values = np.random.default_rng(1).normal(5.0, 2.0, 500)
    found = intervals.bootstrap(500, lambda rows: float(values[rows].mean()))
    half = 1.96 * values.std() / np.sqrt(500)
    assert found == pytest.approx((values.mean() - half, values.mean() + half), abs=0.03)
    assert found == intervals.bootstrap(500, lambda rows: float(values[rows].mean()))


def test_samples_without_variation_or_with_nan_have_no_bootstrap_interval() -> None:
    assert intervals.bootstrap(50, lambda _rows: 1.0) is None
    assert intervals.bootstrap(1, lambda rows: float(rows.mean())) is None
    assert intervals.bootstrap(50, lambda rows: float("nan") if rows[0] < 25 else float(rows.mean())) is None
