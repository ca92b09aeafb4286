"""Whether the outputs of quantised artifacts agree: one vector per output, over all samples."""

from __future__ import annotations

import numpy as np
import pytest

from farm_agent.compare import Comparison
from farm_agent.wire import CheckResult, Tolerance

QUANTISED = Tolerance(2e-3, 5e-2, cosine=0.95)


def judged(pairs: list[tuple[list[float], list[float]]], tolerance: Tolerance = QUANTISED) -> CheckResult:
    """The check of one output whose samples are ``pairs`` of got and want."""
    comparison = Comparison(tolerance)
    for got, want in pairs:
        comparison.add(0, "y", np.array(got, np.float32), np.array(want, np.float32))
    return comparison.result(len(pairs))


def test_single_elements_of_a_quantised_artifact_may_move_where_the_vector_keeps_its_direction() -> None:
    want = np.random.default_rng(0).normal(size=1000)
    got = want + np.random.default_rng(1).normal(size=1000) * 0.2
    result = judged([(got.tolist(), want.tolist())])
    assert result.passed
    assert result.max_abs_error > QUANTISED.atol + QUANTISED.rtol * result.max_reference
    assert result.cosine == pytest.approx(0.98, abs=0.01)


def test_a_direction_that_is_lost_is_refused() -> None:
    want = np.random.default_rng(0).normal(size=1000)
    got = want + np.random.default_rng(1).normal(size=1000) * 0.6
    result = judged([(got.tolist(), want.tolist())])
    assert not result.passed
    assert result.cosine < 0.9


@pytest.mark.parametrize("factor", [2.0, 0.5, -1.0, 0.0])
def test_an_output_of_another_size_is_refused_although_its_cosine_is_one(factor: float) -> None:
    want = [1.0, -2.0, 3.0]
    assert not judged([([factor * value for value in want], want)]).passed


@pytest.mark.parametrize(
    ("got", "want", "passes"),
    [(0.8, 0.7, True), (0.8, 0.4, False), (-0.7, 0.7, False), (0.001, 0.0, True), (0.1, 0.0, False)],
)
def test_one_element_has_no_direction_and_is_held_to_its_relative_error(
    got: float, want: float, passes: bool
) -> None:
    assert judged([([got], [want])]).passed is passes


def test_all_samples_of_an_output_count_together() -> None:
    assert judged([([1.0, 0.0], [1.0, 0.0]), ([0.05, 0.0], [0.0, 0.05])]).passed
    assert not judged([([0.05, 0.0], [0.0, 0.05])]).passed


def test_one_bad_output_fails_the_check_and_its_cosine_is_told() -> None:
    comparison = Comparison(QUANTISED)
    comparison.add(0, "good", np.array([1.0, 2.0]), np.array([1.0, 2.0]))
    comparison.add(1, "bad", np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    comparison.add(2, "good too", np.array([3.0]), np.array([3.0]))
    worst = comparison.worst()
    assert worst is not None
    assert worst.name == "bad"
    assert (comparison.result(1).passed, comparison.result(1).cosine) == (False, 0.0)


@pytest.mark.parametrize(("got", "want"), [([np.nan], [1.0]), ([np.inf], [1.0]), ([1.0], [np.nan])])
def test_values_that_are_not_finite_are_refused_by_either_rule(got: list[float], want: list[float]) -> None:
    assert not judged([(got * 3, want * 3)]).passed
    assert not judged([(got, want)], Tolerance(1e9, 1e9)).passed
    assert judged([([np.inf, 1.0], [np.inf, 1.0])]).passed


def test_numbers_whose_squares_overflow_are_no_agreement() -> None:
    comparison = Comparison(QUANTISED)
    comparison.add(0, "y", np.array([1e200, 1.0]), np.array([1e200, 2.0]))
    assert not comparison.result(1).passed


def test_floats_are_held_to_every_element_of_every_sample() -> None:
    tolerance = Tolerance(0.0, 0.01)
    fine = ([100.0, 1.0], [100.0, 1.5])
    assert judged([fine], tolerance).passed
    assert not judged([fine, ([1.0, 1.0], [1.0, 1.5])], tolerance).passed


def test_outputs_of_8_bits_are_held_to_their_span_since_their_zero_lies_anywhere() -> None:
    """All -128 but one value: any output of that kind has a cosine near 1."""
    want = np.full((1, 12), -128, np.int8)
    want[0, 3] = 100
    step, other = want.copy(), want.copy()
    step[0, 3] = 96
    other[0, 3], other[0, 4] = -128, 100
    for got, passes in ((step, True), (other, False)):
        comparison = Comparison(QUANTISED)
        comparison.add(0, "y", got, want)
        assert comparison.result(1).passed is passes
