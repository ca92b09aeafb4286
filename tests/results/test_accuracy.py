"""Accuracy, its difference to the source model, and agreement, over outputs made for the purpose."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import FarmError
from farm_agent.wire import Accuracy
from farm_results import accuracy, metrics
from farm_results.accuracy import assess
from farm_results.report.rows import accuracy_text, agreement_text
from tests.results.made import result

CLASSES = 10
Array = np.ndarray[Any, Any]


def scores(answers: Any, classes: int = CLASSES) -> Array:
    """One clear winner per sample."""
    return np.asarray(np.eye(classes, dtype=np.float32)[np.asarray(answers)])


LABELS = np.arange(200) % CLASSES
RIGHT = scores(LABELS)
WRONG = (LABELS + 1) % CLASSES


def some_wrong(*places: int) -> Array:
    answers = LABELS.copy()
    answers[list(places)] = WRONG[list(places)]
    return scores(answers)


def code_of(call: Any) -> str:
    with pytest.raises(FarmError) as caught:
        call()
    assert caught.value.fix
    return caught.value.code


def test_the_difference_to_the_source_comes_with_its_paired_interval() -> None:
    found = assess("top-1", [some_wrong(*range(20))], [some_wrong(0, 1)], LABELS)
    assert (found.value, found.reference) == (0.90, 0.99)
    assert found.delta == pytest.approx(-0.09)
    assert found.delta_low is not None
    assert found.delta_high is not None
    assert -0.15 < found.delta_low < -0.09 < found.delta_high < 0


def test_the_device_s_own_count_is_held_against_the_recount() -> None:
    told = Accuracy("top-1", 1.0, 200, 200, "0" * 64)
    found = assess("top-1", [some_wrong(3)], [RIGHT], LABELS, counted=told)
    assert (found.counted, found.recounted) == (200, 199)


def test_nan_scores_are_wrong_and_told() -> None:
    broken = RIGHT.copy()
    broken[:50] = np.nan
    for metric in ("top-1", "top-5"):
        found = assess(metric, [broken], [RIGHT], LABELS)
        assert (found.value, found.not_finite) == (0.75, 50)
        assert found.agreement["top1"] == 0.75
        assert found.agreement["cosine"] == pytest.approx(1.0)


def test_nan_in_a_regression_leaves_no_mean_to_report() -> None:
    ours = np.array([[1.0], [np.nan]], np.float32)
    found = assess("mae", [ours], [np.ones((2, 1), np.float32)], np.ones(2, np.float32))
    assert (found.value, found.reference, found.delta, found.not_finite) == (None, 0.0, None, 1)


def test_top_5_counts_ranks_and_needs_more_than_five_classes() -> None:
    falling = np.tile(np.arange(CLASSES, 0, -1, dtype=np.float32), (CLASSES, 1))
    found = assess("top-5", [falling], [falling], np.arange(CLASSES))
    assert found.value == 0.5
    assert code_of(lambda: assess("top-5", [RIGHT[:, :5]], [RIGHT[:, :5]], LABELS % 5)) == "data.metric"


def test_f1_is_that_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    labels = rng.integers(0, 7, 300)
    answers = np.where(rng.uniform(size=300) < 0.7, labels, rng.integers(0, 7, 300))
    found = assess("f1", [scores(answers)], [scores(labels)], labels)
    assert found.value == pytest.approx(f1_score(labels, answers, average="macro"))
    assert found.delta_high is not None
    assert found.delta_high < 0


def test_mean_absolute_error_is_over_samples_and_has_a_paired_interval() -> None:
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(300, 2)).astype(np.float32)
    reference = labels + rng.normal(0, 0.1, labels.shape).astype(np.float32)
    found = assess("mae", [reference + np.float32(0.5)], [reference], labels)
    assert found.reference == pytest.approx(0.08, abs=0.01)
    assert found.value == pytest.approx(0.5, abs=0.02)
    assert found.delta_low is not None
    assert found.delta_low > 0.3


def test_both_models_answer_the_same_resamples() -> None:
    """Each sample's own difficulty, here far larger than the difference, is in neither interval."""
    rng = np.random.default_rng(0)
    labels = np.zeros(300, np.float32)
    reference = rng.uniform(0, 100, (300, 1)).astype(np.float32)
    ours = reference + rng.uniform(0, 0.2, (300, 1)).astype(np.float32)
    found = assess("mae", [ours], [reference], labels)
    assert found.low is not None
    assert found.high is not None
    assert found.high - found.low > 5
    assert found.delta_low is not None
    assert found.delta_high is not None
    assert 0.08 < found.delta_low < 0.1 < found.delta_high < 0.12


@pytest.mark.parametrize(
    ("metric", "labels", "outputs", "code"),
    [
        ("top-1", LABELS + 5, RIGHT, "data.labels"),
        ("top-1", LABELS - 1, RIGHT, "data.labels"),
        ("top-5", LABELS - 1, RIGHT, "data.labels"),
        ("f1", LABELS - 1, RIGHT, "data.labels"),
        ("top-1", LABELS, RIGHT.reshape(200, 2, 5), "data.no-classes"),
        ("mae", np.zeros((200, 3), np.float32), RIGHT, "data.labels"),
        ("nonsense", LABELS, RIGHT, "data.metric"),
    ],
)
def test_labels_and_metrics_that_do_not_fit_the_outputs(
    metric: str, labels: Array, outputs: Array, code: str
) -> None:
    assert code_of(lambda: assess(metric, [outputs], [outputs], labels)) == code


@pytest.mark.parametrize(("asked", "labels"), [("top-1", ""), ("top-1", "values"), ("nonsense", "classes")])
def test_metrics_that_do_not_fit_the_labels_are_refused_by_name(asked: str, labels: str) -> None:
    assert code_of(lambda: metrics.choose(asked, labels)) == "data.metric"


def test_the_metric_follows_from_the_labels() -> None:
    assert [metrics.choose("", kind) for kind in ("classes", "values", "")] == ["top-1", "mae", ""]
    assert metrics.names() == ("f1", "mae", "top-1", "top-5")


def test_without_labels_outputs_are_compared_with_the_source_s() -> None:
    noisy = RIGHT + np.float32(0.01)
    found = assess("", [noisy], [RIGHT], None)
    assert found.value is None
    assert found.agreement["snr_db"] == pytest.approx(10 * np.log10(1 / (CLASSES * 1e-4)), abs=1e-3)
    assert found.agreement["top1"] == 1.0
    assert found.agreement["max_abs_error"] == pytest.approx(0.01)
    assert "snr_db" not in assess("", [RIGHT], [RIGHT], None).agreement


def test_of_several_outputs_the_one_that_agrees_least_is_told() -> None:
    near, far = np.full((4, 2), 3.0, np.float32), np.array([[4.0, 0.0]] * 4, np.float32)
    found = assess("", [near, far], [near - 1, np.array([[4.0, 3.0]] * 4, np.float32)], None).agreement
    assert found["cosine"] == pytest.approx(0.8)
    assert found["max_abs_error"] == 3.0
    assert found["snr_db"] == pytest.approx(10 * np.log10(25 / 9))


def test_outputs_without_a_number_agree_with_nothing() -> None:
    lost = assess("", [np.full((9, 1), np.nan, np.float32)], [np.ones((9, 1), np.float32)], None)
    assert lost.agreement == {"not_finite": 9.0}
    assert agreement_text(result(agreement=lost.agreement)) == "9 samples not finite"
    one = RIGHT.copy()
    one[0, 0] = np.inf
    shown = agreement_text(result(agreement=assess("", [one], [RIGHT], None).agreement))
    assert shown == "top-1 100.0 %, 1 sample not finite"


def test_f1_leaves_out_classes_that_nobody_names_and_counts_a_lost_sample_as_a_miss() -> None:
    labels = np.array([0, 0, 3, 3])
    assert assess("f1", [scores([0, 0, 3, 3])], [scores(labels)], labels).value == 1.0
    assert assess("f1", [scores([0, 0, 3, 5])], [scores(labels)], labels).value == pytest.approx(5 / 9)
    broken = scores(labels)
    broken[3] = np.nan
    assert assess("f1", [broken], [scores(labels)], labels).value == pytest.approx((1 + 2 / 3) / 2)
    broken[:] = np.nan
    assert assess("f1", [broken], [scores(labels)], labels).value == 0.0


def test_outputs_that_do_not_fit_the_source_s_are_a_problem_not_a_number() -> None:
    found = assess("top-1", [RIGHT[:, :9]], [RIGHT], LABELS)
    assert (found.value, found.agreement) == (None, {})
    assert "[200, 9]" in found.problem
    assert "2 outputs" in assess("top-1", [RIGHT, RIGHT], [RIGHT], LABELS).problem
    assert assess("top-1", [RIGHT.reshape(200, CLASSES, 1, 1)], [RIGHT], LABELS).value == 1.0


def test_scores_of_a_user_s_metric_are_paired_and_a_bare_number_needs_its_resamples() -> None:
    ones, halves = [1.0] * 90 + [0.0] * 10, [0.5] * 100
    shares = assess("m:f", [RIGHT], [RIGHT], LABELS, custom=custom(ones, [1.0] * 100))
    assert shares.delta == pytest.approx(-0.1)
    assert shares.delta_high == pytest.approx(-0.05, abs=0.01)
    means = assess("m:f", [RIGHT], [RIGHT], LABELS, custom=custom(ones, halves))
    assert means.delta_low == pytest.approx(0.34, abs=0.02)
    bare = {"value": 3.0, "reference": 2.0, "scores": None, "differences": [0.5, 1.5] * 100}
    assert assess("m:f", [RIGHT], [RIGHT], LABELS, custom=bare).delta_low == 0.5


def custom(ours: list[float], theirs: list[float]) -> dict[str, Any]:
    return {
        "value": float(np.mean(ours)),
        "reference": float(np.mean(theirs)),
        "scores": ours,
        "reference_scores": theirs,
    }


def test_a_row_says_value_difference_and_half_interval() -> None:
    shown = result(accuracy=0.986, accuracy_metric="top-1", accuracy_count=360)
    assert accuracy_text(shown) == "98.6 % (n=360)"
    shown = replace(shown, accuracy_delta=-0.003, accuracy_delta_low=-0.009, accuracy_delta_high=0.002)
    assert accuracy_text(shown) == "98.6 % (−0.3 pp, ±0.6)"
    error = replace(shown, accuracy_metric="mae", accuracy=0.12345, accuracy_delta=0.01)
    assert accuracy_text(error).startswith("0.1235 (+0.01, ±")
    assert agreement_text(result(agreement={"top1": 0.993, "snr_db": 31.2})) == "top-1 99.3 %, 31.2 dB"
    assert agreement_text(result(agreement={"max_abs_error": 0.0})) == "identical"


@pytest.mark.parametrize(
    ("metric", "low", "high", "words"),
    [
        ("top-1", -0.02, -0.01, "surely worse"),
        ("top-1", 0.01, 0.02, "surely better"),
        ("mae", 0.01, 0.02, "surely worse"),
        ("top-1", -0.01, 0.02, "show no difference"),
        ("m.py:f", 0.01, 0.02, "surely higher"),
        ("top-1", None, None, "no interval"),
    ],
)
def test_a_difference_is_said_in_words_only_when_its_interval_excludes_zero(
    metric: str, low: float | None, high: float | None, words: str
) -> None:
    shown = result(
        accuracy=0.9,
        accuracy_metric=metric,
        accuracy_count=100,
        accuracy_reference=0.9,
        accuracy_delta=0.0,
        accuracy_delta_low=low,
        accuracy_delta_high=high,
    )
    assert words in accuracy.said(shown)
    assert words in dict(accuracy.lines(shown))["difference"]
