"""Noise out of histories, and chances, held against scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from farm_results.compare import noise
from farm_results.compare.chance import benjamini_hochberg, degrees_of, t_quantile
from farm_results.compare.noise import history_of
from farm_results.detect import robust
from tests.results.compare.nights import OTHER, history


def test_a_history_tells_its_own_noise() -> None:
    sigmas = [found.sigma for seed in range(40) if (found := history_of(history(seed=seed), value_of))]
    assert len(sigmas) == 40
    assert np.mean(sigmas) == pytest.approx(0.01, rel=0.1)


def test_a_real_change_of_the_past_is_no_noise() -> None:
    """A new artifact that takes half as long again: the levels differ, the noise does not."""
    later = [
        replace(point, value=(point.value or 0) * 1.5, artifact_sha256=OTHER, job_id=f"later-{k}")
        for k, point in enumerate(history(15, seed=2))
    ]
    found = history_of([*history(15), *later], value_of)
    assert found is not None
    assert 0.005 < found.sigma < 0.02
    assert found.count == 30


@pytest.mark.parametrize("change", [{"verdict": "throttled"}, {"status": "failed"}, {"value": None}])
def test_what_cannot_be_believed_tells_nothing(change: dict[str, str | None]) -> None:
    assert history_of([replace(point, **change) for point in history()], value_of) is None  # type: ignore[arg-type]


def test_a_short_history_is_none_and_the_rows_in_question_are_left_out() -> None:
    assert history_of(history(4), value_of) is None
    assert history_of(history(5), value_of) is not None
    assert history_of(history(5), value_of, without={"night-0"}) is None
    assert history_of([], value_of) is None


def value_of(point: object) -> float | None:
    """A point's own number."""
    return getattr(point, "value", None)


@pytest.mark.parametrize("degrees", [1.0, 2.5, 4.0, 11.0, 300.0])
@pytest.mark.parametrize("alpha", [0.05, 0.01])
def test_student_s_quantile(degrees: float, alpha: float) -> None:
    assert t_quantile(degrees, alpha) == pytest.approx(stats.t.ppf(1 - alpha / 2, degrees), rel=1e-6)


def test_many_tests_are_corrected_as_scipy_corrects_them() -> None:
    chances = np.random.default_rng(3).uniform(size=50) ** 3
    expected = stats.false_discovery_control(chances, method="bh")
    assert benjamini_hochberg([float(chance) for chance in chances]) == pytest.approx(expected)
    assert benjamini_hochberg([]) == ()


def test_degrees_of_freedom_of_a_sum_lie_between_its_parts_and_their_sum() -> None:
    assert degrees_of([(1.0, 4.0), (1.0, 4.0)]) == pytest.approx(8.0)
    assert degrees_of([(1.0, 4.0), (1e-9, 4.0)]) == pytest.approx(4.0)


def test_noise_of_comparisons_and_of_nights_is_on_one_scale() -> None:
    assert noise.GAUSS == robust.GAUSS
