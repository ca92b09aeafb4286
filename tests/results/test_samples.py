"""Rows of other columns than pairs: read strictly by what they are said to hold."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent.errors import MeasurementError
from farm_results.samples import LAYOUTS, PAIR, durations, parse_samples, read_samples
from tests.results.made import packed

SCHEDULED = ("scheduled", "start", "end")
STREAMS = ("start", "end", "stream")


def rows(*values: tuple[int, ...]) -> Any:
    return np.array(values, dtype=np.int64)


@pytest.mark.parametrize("columns", LAYOUTS)
def test_rows_survive_the_file_with_their_columns(tmp_path: Path, columns: tuple[str, ...]) -> None:
    made = np.arange(7 * len(columns), dtype=np.int64).reshape(7, len(columns))
    file = tmp_path / "samples.gz"
    file.write_bytes(packed(made))

    assert np.array_equal(read_samples(file, columns), made)


@pytest.mark.parametrize("columns", [(), ("start",), ("end", "start"), ("start", "end", "power"), PAIR * 2])
def test_columns_that_nobody_knows_are_refused(columns: tuple[str, ...]) -> None:
    with pytest.raises(MeasurementError) as caught:
        parse_samples(packed(rows((1, 2))), "x", columns)
    assert caught.value.code == "samples.columns"


def test_rows_of_another_width_than_said_are_cut_in_the_middle() -> None:
    with pytest.raises(MeasurementError) as caught:
        parse_samples(packed(rows((1, 2), (3, 4))), "x", SCHEDULED)
    assert caught.value.code == "samples.truncated"


def test_latency_counts_from_the_schedule() -> None:
    assert durations(rows((10, 15, 30), (20, 30, 38)), "x", SCHEDULED).tolist() == [20, 18]


def test_a_row_of_several_inferences_is_divided_by_their_number() -> None:
    assert durations(rows((0, 100), (100, 250)), "x", PAIR, 100).tolist() == [1.0, 1.5]


def test_streams_may_overlap_each_other_but_not_themselves() -> None:
    side_by_side = rows((0, 10, 0), (10, 20, 0), (5, 15, 1), (15, 25, 1))
    assert durations(side_by_side, "x", STREAMS).tolist() == [10, 10, 10, 10]
    with pytest.raises(MeasurementError) as caught:
        durations(rows((0, 10, 0), (9, 20, 0)), "x", STREAMS)
    assert caught.value.code == "samples.clock-stepped"


def test_more_streams_than_a_process_can_have_are_refused() -> None:
    """Before a mask is made for each of them."""
    many = np.stack([np.arange(5000), np.arange(5000) + 1, np.arange(5000)], axis=1)
    with pytest.raises(MeasurementError) as caught:
        durations(many, "x", STREAMS)
    assert caught.value.code == "samples.shape"


@pytest.mark.parametrize(
    "bad",
    [
        rows((10, 9, 20)),
        rows((10, 10, 20), (5, 20, 30)),
        rows((10, 10, 20), (12, 15, 30)),
        rows((-5, 1, 2)),
    ],
)
def test_a_schedule_that_no_clock_gives_is_an_error(bad: Any) -> None:
    """A start before its schedule, schedules out of order, runs that overlap, times before zero."""
    with pytest.raises(MeasurementError) as caught:
        durations(bad, "x", SCHEDULED)
    assert caught.value.code == "samples.clock-stepped"


@pytest.mark.parametrize("calls", [0, -3])
def test_rows_of_no_inference_are_refused(calls: int) -> None:
    with pytest.raises(MeasurementError) as caught:
        durations(rows((1, 2)), "x", PAIR, calls)
    assert caught.value.code == "samples.shape"


@settings(max_examples=150, deadline=None)
@given(data=st.binary(max_size=200), columns=st.sampled_from([*LAYOUTS, ("a", "b")]), whole=st.booleans())
def test_any_bytes_are_samples_or_an_error_with_a_fix(
    data: bytes, columns: tuple[str, ...], whole: bool
) -> None:
    import gzip

    problem = None
    try:
        parsed = parse_samples(gzip.compress(data) if whole else data, "x", columns)
        durations(parsed, "x", columns)
    except MeasurementError as error:
        problem = error
    if problem is None:
        assert parsed.shape == (len(data) // 8 // len(columns), len(columns))
    else:
        assert problem.code.startswith("samples.")
        assert problem.fix
