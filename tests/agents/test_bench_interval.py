"""The interval of the median while a block runs, against exact counting."""

from __future__ import annotations

from array import array
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.bench_interval import Spread, median_ranks, spread_of


def rows_of(durations: list[int]) -> array[int]:
    rows = array("q")
    for number, duration in enumerate(durations):
        rows.extend((number * 10**9, number * 10**9 + duration))
    return rows


@pytest.mark.parametrize("count", [6, 7, 10, 29, 59, 100, 299, 1000])
def test_the_ranks_hold_95_percent_and_no_narrower_ones_do(count: int) -> None:
    ranks = median_ranks(count)
    assert ranks is not None
    lower, upper = ranks
    assert upper == count - 1 - lower

    def below(rank: int) -> float:
        return float(sum(comb(count, k) for k in range(rank + 1)) / 2**count)

    assert below(lower) <= 0.025
    assert below(lower + 1) > 0.025


def test_fewer_than_six_values_have_no_interval() -> None:
    assert [median_ranks(count) for count in range(6)] == [None] * 6


def test_large_counts_are_never_narrower_than_the_exact_interval() -> None:
    exact = median_ranks(1000)
    near = median_ranks(1001)
    assert exact is not None
    assert near is not None
    assert near[0] <= exact[0] + 1


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 10**9), st.floats(0.001, 0.3), st.integers(6, 3000), st.integers(0, 2**32 - 1))
def test_the_counted_interval_is_the_sorted_one(centre: int, spread: float, count: int, seed: int) -> None:
    drawn = np.random.default_rng(seed).normal(centre, spread * centre, count)
    durations = [max(1, int(value)) for value in drawn]
    ranks = median_ranks(count)
    assert ranks is not None
    ordered = sorted(durations)
    middle = ordered[count // 2]
    true = max(middle - ordered[ranks[0]], ordered[ranks[1]] - middle) / middle
    told = spread_of([(rows_of(durations), count)]).half_width()
    if told is None:
        assert ordered[ranks[1]] >= 1.5 * middle
    else:
        assert told == pytest.approx(true, abs=max(5e-4, 2.0 / middle))


def test_a_centre_far_off_is_noticed() -> None:
    spread = Spread(10_000)
    spread.add(rows_of([1_000_000] * 100), 0, 100)
    assert spread.misplaced
    assert spread.half_width() is None
    assert not spread_of([(rows_of([1_000_000] * 100), 100)]).misplaced


def test_rows_with_a_schedule_count_from_it_to_their_end() -> None:
    rows = array("q")
    for number in range(100):
        rows.extend((0, 900, 1000 + 100 * (number % 5)))
    assert spread_of([(rows, 100)], columns=3).half_width() == pytest.approx(1 / 12, abs=1e-3)
