"""Runs far from the others: counted, never dropped, and what they coincide with."""

from __future__ import annotations

import contextlib
import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from farm_agent import codec
from farm_agent.errors import MeasurementError
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_results.measured import Measured
from farm_results.statistics.outliers import classify, of_job
from farm_results.statistics.summary import summarise
from tests.results.made import block, job, packed, pairs_of, spec

MS = 1_000_000


def steady(count: int = 400, median: int = 5 * MS) -> Any:
    """Durations that lie evenly within 1 % of the median: quartiles 0.5 % apart."""
    return np.linspace(median * 0.995, median * 1.005, count).astype(np.int64)


def found(durations: Any, *traces: Trace, **extra: Any) -> Any:
    return classify(Measured(pairs_of(durations)), block(), traces, **extra)


def trace(kind: str, values: list[float], name: str = "x", step_ms: int = 200) -> Trace:
    """Reads every 200 ms, the first with the first run."""
    times = tuple(step_ms * MS * k for k in range(len(values)))
    return Trace("sensor", Channel(name, kind), times, tuple(values))


def test_each_side_and_distance_is_counted_apart() -> None:
    """Quartiles 4987500 and 5012500 ns: mild from 37.5 µs, severe from 75 µs beyond them."""
    taken = steady()
    taken[:7] = [5_060_000, 5_060_000, 5_100_000, 5_100_000, 5_100_000, 4_940_000, 4_800_000]
    one = found(taken)
    assert (one.high_mild, one.high_severe, one.low_mild, one.low_severe) == (2, 3, 1, 1)
    assert one.count == 400
    assert one.causes == {"unknown": 5}


def test_a_calm_process_has_none() -> None:
    one = found(steady())
    assert (one.high_mild, one.high_severe, one.low_mild, one.low_severe) == (0, 0, 0, 0)
    assert one.causes == {}


def test_steps_of_a_coarse_timer_are_no_outliers() -> None:
    """Most runs take equally long, some one step of the timer (20 ns) more."""
    one = found([1000] * 390 + [1020] * 10)
    assert (one.high_mild, one.high_severe) == (0, 0)
    assert found([1000] * 390 + [1100] * 10).high_severe == 10


@pytest.mark.parametrize(("stop_ms", "frozen"), [(1000, True), (50, False)])
def test_a_second_of_standing_still_is_frozen_and_a_hiccup_is_not(stop_ms: int, frozen: bool) -> None:
    taken = steady(600)
    taken[300] += stop_ms * MS
    one = found(taken)
    assert one.causes == ({"frozen": 1} if frozen else {"unknown": 1})
    assert one.longest_stall_ns == pytest.approx(stop_ms * MS, rel=0.01)


def test_a_pause_between_two_runs_counts_where_runs_follow_each_other() -> None:
    rows = pairs_of(steady())
    rows[200:] += 1000 * MS
    process = Measured(rows)
    assert classify(process, block()).longest_stall_ns > 999 * MS
    assert classify(process, block(), back_to_back=False).longest_stall_ns < MS


def test_rows_of_several_inferences_are_divided_and_stalls_are_not() -> None:
    taken = steady(median=100_000)
    taken[10] += 400 * MS
    one = classify(Measured(pairs_of(taken), calls=10), block(calls_per_sample=10))
    assert one.high_severe == 1
    assert one.longest_stall_ns == pytest.approx(400 * MS, rel=0.01)


@pytest.mark.parametrize(
    ("kind", "values", "name", "cause"),
    [
        ("throttle_count", [3, 3, 4, 4, 4, 4], "cpu0", "throttle"),
        ("throttle_state", [0, 0, 1, 0, 0, 0], "cpufreq", "throttle"),
        ("flags", [0, 0, 4, 0, 0, 0], "throttled", "throttle"),
        ("flags", [0xF0000] * 6, "throttled", "unknown"),
        ("frequency_khz", [2e6, 2e6, 1.5e6, 2e6, 2e6, 2e6], "policy0", "frequency drop"),
        ("frequency_khz", [2e6, 2e6, 1.95e6, 2e6, 2e6, 2e6], "policy0", "unknown"),
        ("count", [0, 0, 9, 9, 9, 9], "major-faults", "major fault"),
        ("count", [0, 0, 9, 9, 9, 9], "pswpin", "swap"),
        ("count", [0, 0, 9, 9, 9, 9], "involuntary_switches", "involuntary switch"),
        ("count", [0, 0, 0, 0, 9, 9], "pswpin", "unknown"),
        ("count", [0, 1, 2, 3, 4, 5], "involuntary_switches", "unknown"),
        ("temperature_c", [50, 50, 90, 50, 50, 50], "cpu", "unknown"),
        ("flags", [float("inf"), 0, 1e300, float("nan"), 0, 0], "throttled", "unknown"),
    ],
)
def test_a_cause_is_what_coincides(kind: str, values: list[float], name: str, cause: str) -> None:
    """The slow run takes place at 300 ms, between the reads at 200 and 400 ms; what is there most of the
    time explains nothing."""
    taken = steady(200)
    taken[60] += 3 * MS
    assert found(taken, trace(kind, values, name)).causes == {cause: 1}


def test_an_outlier_counts_once_under_the_first_cause() -> None:
    taken = steady(200)
    taken[60] += 3 * MS
    both = [trace("count", [0, 0, 9, 9, 9, 9], "pswpin"), trace("throttle_state", [0, 0, 1, 0, 0, 0])]
    assert found(taken, *both).causes == {"swap": 1}


def test_files_are_read_process_by_process(tmp_path: Path) -> None:
    """Traces belong to the processes that have them, in order."""
    calm, hit = steady(200), steady(200)
    hit[60] += 3 * MS
    files = []
    for number, taken in enumerate((calm, hit)):
        files.append(tmp_path / f"block-{number}.samples.gz")
        files[-1].write_bytes(packed(pairs_of(taken)))
    told = tmp_path / "block-1.traces.gz"
    told.write_bytes(gzip.compress(codec.dumps(TraceFile((trace("throttle_state", [0, 0, 1, 0]),))).encode()))
    blocks = (block(0, count=200), block(1, count=200, traces=block().samples))
    first, second = of_job(spec(), job(blocks=blocks), files, [told])
    assert (first.causes, second.causes) == ({}, {"throttle": 1})


ROWS = arrays.arrays(
    np.int64,
    st.tuples(st.integers(0, 40), st.sampled_from([1, 2, 3])),
    elements=st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(0, 2000)),
)


@settings(max_examples=150, deadline=None)
@given(rows=ROWS, calls=st.integers(0, 3))
def test_any_rows_give_a_summary_or_a_measurement_error(rows: Any, calls: int) -> None:
    for use in (
        lambda: summarise([rows, rows]),
        lambda: classify(Measured(rows, calls=calls), block(), [trace("frequency_khz", [1.0, 0.5, 2.0])]),
    ):
        with contextlib.suppress(MeasurementError):
            use()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 2**61), min_size=1, max_size=60))
def test_any_durations_are_all_counted(durations: list[int]) -> None:
    """However far apart they lie; the causes of the high ones add up."""
    rows = np.array([[0, durations[0]]], dtype=np.int64)
    one = classify(Measured(rows), block())
    assert one.count == 1
    taken = np.minimum(np.array(durations), 2**56)
    many = found(taken)
    assert many.count == len(durations)
    assert sum(many.causes.values()) == many.high_mild + many.high_severe
