"""Arrays between the source model's world and the artifact's, and whether outputs agree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import collect, compare, feed
from farm_agent.errors import JobError
from farm_agent.wire import TensorMap, TensorSpec, Tolerance

EXACT = Tolerance(0.0, 0.0)


def entry(
    source: tuple[str, tuple[int, ...]],
    target: tuple[str, tuple[int, ...]],
    permutation: tuple[int, ...] | None = None,
) -> TensorMap:
    return TensorMap(TensorSpec("x", *source), TensorSpec("x:0", *target), permutation)


def test_channels_first_becomes_channels_last_and_back() -> None:
    mapping = entry(("float32", (1, 3, 4, 5)), ("float32", (1, 4, 5, 3)), (0, 2, 3, 1))
    array = np.arange(60, dtype=np.float32).reshape(1, 3, 4, 5)
    there = feed.to_artifact(array, mapping)
    assert there.shape == (1, 4, 5, 3)
    assert there.flags.c_contiguous
    assert there[0, 2, 3, 1] == array[0, 1, 2, 3]
    assert np.array_equal(feed.to_source(there, mapping), array)


def test_a_permutation_that_is_not_its_own_inverse_comes_back_right() -> None:
    mapping = entry(("float32", (2, 3, 4)), ("float32", (4, 2, 3)), (2, 0, 1))
    array = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    assert np.array_equal(feed.to_source(feed.to_artifact(array, mapping), mapping), array)


@pytest.mark.parametrize(
    ("source", "target", "values"),
    [
        ("int64", "int32", [1, -5, 2**31 - 1]),
        ("float32", "float16", [0.1, -3.5]),
        ("float32", "float16", [np.inf, -np.inf]),
        ("float64", "float32", [0.1]),
        ("bool", "float32", [True, False]),
        ("int64", "float32", [1, 255]),
    ],
)
def test_a_cast_that_keeps_what_values_mean_is_made(source: str, target: str, values: list[float]) -> None:
    array = np.array(values, source)
    assert feed.cast(array, target, "x").dtype == np.dtype(target)


@pytest.mark.parametrize(
    ("source", "target", "values"),
    [
        ("int64", "int32", [2**31]),
        ("float32", "float16", [1e6]),
        ("float32", "int32", [0.5]),
        ("float32", "uint8", [-1.0]),
        ("int64", "float32", [2**24 + 1]),
        ("int32", "bool", [2]),
    ],
)
def test_a_cast_that_would_change_values_silently_is_refused(
    source: str, target: str, values: list[float]
) -> None:
    with pytest.raises(JobError) as caught:
        feed.cast(np.array(values, source), target, "x")
    assert caught.value.code == "input.dtype"


def test_inputs_of_another_dtype_or_shape_are_refused() -> None:
    mapping = entry(("float32", (1, 4)), ("float32", (1, 4)))
    with pytest.raises(JobError) as caught:
        feed.to_artifact(np.zeros((1, 4)), mapping)
    assert caught.value.code == "input.dtype"
    with pytest.raises(JobError) as caught:
        feed.to_artifact(np.zeros((1, 5), np.float32), mapping)
    assert caught.value.code == "input.shape"


def test_rank_zero_stays_rank_zero() -> None:
    mapping = entry(("int64", ()), ("int64", ()))
    assert feed.to_artifact(np.array(16000), mapping).shape == ()


def test_objects_are_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    arrays: dict[str, Any] = {"in.0.0": np.array([{"a": 1}], dtype=object)}
    np.savez(path, **arrays)
    data = feed.load_npz(str(path))
    with pytest.raises(JobError) as caught:
        feed.read(data, "in.0.0")
    assert caught.value.code == "data.unreadable"


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04nonsense", b"text"])
def test_a_file_that_is_no_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.npz"
    path.write_bytes(content)
    with pytest.raises(JobError) as caught:
        feed.load_npz(str(path))
    assert caught.value.code == "data.unreadable"


def test_an_archive_that_claims_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.npz"
    np.savez_compressed(path, a=np.zeros(100_000))
    monkeypatch.setattr(feed, "NPZ_LIMIT_BYTES", 1000)
    with pytest.raises(JobError) as caught:
        feed.load_npz(str(path))
    assert caught.value.code == "data.too-large"


@pytest.mark.parametrize(
    ("got", "want"),
    [
        (np.array([np.inf, -np.inf, np.nan, 1.0]), np.array([np.inf, -np.inf, np.nan, 1.0])),
        (np.zeros((2, 0, 8)), np.zeros((2, 0, 8))),
        (np.array(3.0), np.array(3.0)),
        (np.array([True, False]), np.array([True, False])),
        (np.array([1, 2], np.int64), np.array([1, 2], np.int64)),
        (np.zeros((1, 10)), np.zeros((1, 10, 1, 1))),
        (np.zeros(3), np.zeros(3)),
    ],
)
def test_equal_outputs_agree_exactly(got: np.ndarray, want: np.ndarray) -> None:
    agreement = compare.compare("y", got, want, EXACT)
    assert (agreement.max_abs_error, agreement.excess) == (0.0, 0.0)
    assert agreement.cosine == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("got", "want"),
    [
        ([np.inf], [1.0]),
        ([1.0], [np.inf]),
        ([np.nan], [0.0]),
        ([0.0], [np.nan]),
        ([np.inf], [-np.inf]),
        ([np.nan], [np.inf]),
    ],
)
def test_values_that_are_not_finite_must_stand_in_the_same_places(
    got: list[float], want: list[float]
) -> None:
    agreement = compare.compare("y", np.array(got), np.array(want), Tolerance(1e9, 1e9))
    assert agreement.excess == float("inf")


def test_the_tolerance_is_absolute_plus_relative_to_the_largest_value() -> None:
    want = np.array([100.0, 1.0, np.inf])
    tolerance = Tolerance(0.5, 0.01)
    assert compare.compare("y", np.array([100.0, 2.4, np.inf]), want, tolerance).excess < 1
    assert compare.compare("y", np.array([100.0, 2.6, np.inf]), want, tolerance).excess > 1


def test_another_shape_is_an_error_of_its_own() -> None:
    with pytest.raises(JobError) as caught:
        compare.compare("y", np.zeros((1, 10)), np.zeros((1, 12)), EXACT)
    assert caught.value.code == "check.shape"
    assert "[1, 10]" in str(caught.value)


def test_a_check_reports_its_worst_output() -> None:
    comparison = compare.Comparison(Tolerance(0.05, 0.001))
    comparison.add(0, "a", np.array([1000.5]), np.array([1000.0]))
    assert comparison.result(1).passed
    comparison.add(1, "b", np.array([0.2]), np.array([0.1]))
    result = comparison.result(1)
    assert not result.passed
    assert (result.max_abs_error, result.max_reference) == pytest.approx((0.1, 0.1))


def test_samples_are_fed_with_the_batch_that_the_model_has() -> None:
    array = np.arange(10, dtype=np.float32).reshape(5, 2)
    one, width = collect.batch([array], {"x": (1, 2)}, 3)
    assert (one[0].tolist(), width) == ([[6.0, 7.0]], 1)
    last, width = collect.batch([array], {"x": (4, 2)}, 4)
    assert width == 4
    assert last[0].tolist() == [[8.0, 9.0]] * 4
    whole, width = collect.batch([array], {"x": (2,)}, 1)
    assert (whole[0].tolist(), width) == ([2.0, 3.0], 1)
    with pytest.raises(JobError) as caught:
        collect.batch([array], {"x": (1, 3)}, 0)
    assert caught.value.code == "data.shape"


def test_class_scores_are_the_first_output_with_one_row_per_sample() -> None:
    def scores(*outputs: np.ndarray[Any, Any]) -> tuple[int, ...]:
        return tuple(collect.class_scores(collect.rows(outputs, 1)).shape)

    many = np.zeros((1, 1000, 1, 1))
    assert scores(np.zeros((1, 4, 4, 2)), many) == (1, 1000)
    assert scores(np.zeros(10)) == (1, 10)
    assert scores(np.zeros((5, 3)), np.zeros((1, 7))) == (1, 7)
    with pytest.raises(JobError) as caught:
        scores(np.zeros((1, 4, 4, 2)), np.zeros((1, 1)))
    assert caught.value.code == "data.no-classes"


def test_outputs_of_batches_become_one_row_per_sample_and_the_filling_is_dropped() -> None:
    collector = collect.Collector(3)
    for part in (np.array([[1.0], [2.0]]), np.array([[3.0], [3.0]])):
        collector.add(collect.rows([part], 2))
    assert collector.arrays[0].tolist() == [[1.0], [2.0], [3.0]]
    assert collector.arrays[0].dtype == np.float32
    with pytest.raises(JobError) as caught:
        collect.rows([np.zeros((3, 2))], 2)
    assert caught.value.code == "data.shape"


def test_outputs_that_would_fill_the_device_are_refused_before_they_are_kept() -> None:
    with pytest.raises(JobError) as caught:
        collect.Collector(1000, limit_bytes=4000).add([np.zeros((1, 2), np.float32)])
    assert (caught.value.code, caught.value.fix) == ("data.too-large", "give at most 500 samples")


def test_a_sample_with_a_score_that_is_no_number_is_no_hit() -> None:
    scores = np.array([[0.0, 1.0], [np.nan, 0.0], [2.0, 2.0]])
    assert collect.hits(scores, np.array([1, 0, 0])).tolist() == [True, False, True]


def quantised(dtype: str, scale: float, zero_point: int) -> TensorMap:
    plain = TensorSpec("x", "float32", (1, 6))
    return TensorMap(plain, TensorSpec("x:0", dtype, (1, 6)), None, scale, zero_point)


def test_an_input_is_quantised_half_to_even_and_clipped_and_an_output_comes_back() -> None:
    mapping = quantised("int8", 0.5, -3)
    array = np.array([[0.0, 0.25, 0.75, -0.25, 1000.0, -np.inf]], np.float32)
    there = feed.to_artifact(array, mapping)
    assert there.dtype == np.int8
    assert there.tolist() == [[-3, -3, -1, -3, 127, -128]]
    back = feed.to_source(there, mapping)
    assert back.dtype == np.float32
    assert back.tolist() == [[0.0, 0.0, 1.0, 0.0, 65.0, -62.5]]


def test_quantised_channels_first_become_channels_last() -> None:
    source, target = TensorSpec("x", "float32", (1, 2, 2, 3)), TensorSpec("x", "uint8", (1, 2, 3, 2))
    mapping = TensorMap(source, target, (0, 2, 3, 1), 1.0, 128)
    array = np.arange(12, dtype=np.float32).reshape(1, 2, 2, 3)
    there = feed.to_artifact(array, mapping)
    assert there.dtype == np.uint8
    assert there[0, 1, 2, 1] == 128 + array[0, 1, 1, 2]
    assert np.array_equal(feed.to_source(there, mapping), array)


@pytest.mark.parametrize(
    ("dtype", "scale", "value"),
    [("int8", 0.5, np.nan), ("int8", 0.0, 1.0), ("int8", np.inf, 1.0), ("float32", 0.5, 1.0)],
)
def test_what_no_integer_stands_for_is_refused(dtype: str, scale: float, value: float) -> None:
    with pytest.raises(JobError) as caught:
        feed.to_artifact(np.full((1, 6), value, np.float32), quantised(dtype, scale, 0))
    assert caught.value.code == "input.dtype"


def test_a_float_output_of_a_quantised_artifact_stays_as_it_is() -> None:
    array = np.array([[1.5]], np.float32)
    assert feed.to_source(array, quantised("int8", 0.5, 0)).tolist() == [[1.5]]
