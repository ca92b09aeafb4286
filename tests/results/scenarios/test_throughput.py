"""Throughput and its knee, on curves with known answers."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from farm_agent.errors import MeasurementError
from farm_results import scenarios
from farm_results.measured import Measured
from farm_results.scenarios import throughput
from farm_results.scenarios.throughput import Point
from tests.results import made

MS = 1_000_000
COLUMNS = ("start", "end", "stream")


def streams(count: int, service_ns: int, runs: int = 400, calls: int = 1, offset_ns: int = 0) -> Measured:
    """``count`` streams back to back, each beginning ``offset_ns`` after the one before."""
    parts = []
    for number in range(count):
        start = np.arange(runs) * service_ns * calls + number * offset_ns
        parts.append(np.stack([start, start + service_ns * calls, np.full(runs, number)], axis=1))
    rows = np.concatenate(parts).astype(np.int64)
    return Measured(rows, columns=COLUMNS, calls=calls, point={"streams": str(count)})


def curve(*rates: float) -> list[Point]:
    return [Point(1 << index, rate, 1.0, None) for index, rate in enumerate(rates)]


def metrics(*processes: Measured, **options: str) -> dict[str, float]:
    return throughput.metrics(made.spec(scenario="throughput", scenario_options=options), processes)


@pytest.mark.parametrize(
    ("rates", "knee"),
    [
        ((100.0,), 1),
        ((100.0, 200.0, 400.0), 4),
        ((100.0, 190.0, 200.0), 2),
        ((100.0, 189.9, 200.0), 4),
        ((100.0, 99.0, 80.0), 1),
        ((95.0, 100.0), 1),
        ((100.0, 190.0, 200.0, 150.0), 2),
    ],
)
def test_the_knee_is_the_fewest_streams_within_five_percent_of_the_best(
    rates: tuple[float, ...], knee: int
) -> None:
    assert throughput.knee_of(curve(*rates)).streams == knee


def test_streams_that_run_side_by_side_add_up() -> None:
    found = metrics(streams(1, 10 * MS), streams(2, 10 * MS), streams(4, 20 * MS))

    assert found["throughput_at_1_per_s"] == pytest.approx(100.0)
    assert found["throughput_at_2_per_s"] == pytest.approx(200.0)
    assert found["throughput_at_4_per_s"] == pytest.approx(200.0)
    assert found["throughput_best_per_s"] == pytest.approx(200.0)
    assert (found["throughput_knee_streams_count"], found["throughput_knee_p50_ns"]) == (2.0, 10 * MS)
    assert found["throughput_at_4_p50_ns"] == 20 * MS
    assert found["throughput_at_4_p99_ns"] == 20 * MS


def test_only_the_time_in_which_all_streams_run_counts() -> None:
    """One stream begins half a second late and ends later: alone it would be counted at half the rate."""
    late = streams(2, 10 * MS, runs=200, offset_ns=500 * MS)

    assert throughput.per_second(late) == pytest.approx(200.0)


def test_a_run_that_lies_partly_in_the_window_counts_by_its_part() -> None:
    """Three slow runs per stream, half a run apart: 2.5 of each lie in the common time of 2.5 runs."""
    slow = streams(2, 1000 * MS, runs=3, offset_ns=500 * MS)

    assert throughput.per_second(slow) == pytest.approx(2.0)


def test_streams_that_never_ran_together_are_counted_over_everything() -> None:
    apart = streams(2, 10 * MS, runs=10, offset_ns=1000 * MS)

    assert throughput.per_second(apart) == pytest.approx(20 / 1.1)


def test_batch_and_inferences_per_row_multiply() -> None:
    found = metrics(streams(1, 10 * MS, calls=5), batch="8")

    assert found["throughput_best_per_s"] == pytest.approx(800.0)
    assert found["throughput_at_1_p50_ns"] == 10 * MS
    assert found["throughput_batch_count"] == 8.0


def test_a_point_is_the_median_of_its_processes() -> None:
    found = metrics(*(streams(1, taken * MS) for taken in (10, 20, 40)))

    assert found["throughput_best_per_s"] == pytest.approx(50.0)


def test_a_percentile_without_enough_samples_is_left_out() -> None:
    assert "throughput_at_1_p99_ns" not in metrics(streams(1, 10 * MS, runs=298))


def test_the_latency_of_the_result_is_that_of_the_knee() -> None:
    """Pooled over different loads it would be nobody's latency."""
    processes = [streams(1, 10 * MS), streams(2, 10 * MS), streams(4, 20 * MS)]
    chosen = throughput.of_latency(made.spec(scenario="throughput"), processes)

    assert [process.point["streams"] for process in chosen] == ["2"]


def test_the_table_shows_the_whole_curve() -> None:
    found = metrics(streams(1, 10 * MS), streams(2, 10 * MS))
    result = made.result(scenario="throughput", metrics=found)

    columns = dict(scenarios.columns(result))
    assert all(heading.startswith("throughput ") for heading in columns)
    assert columns["throughput knee"] == "200/s (2 streams)"
    assert columns["throughput curve"] == "1: 100, 2: 200"


@pytest.mark.parametrize("text", ["", "0", "-1", "two", "1e9", "\u0663", "9" * 30])
def test_a_device_that_names_no_number_of_streams_is_refused(text: str) -> None:
    process = replace(streams(1, MS), point={"streams": text})
    with pytest.raises(MeasurementError) as caught:
        metrics(process)
    assert caught.value.code == "samples.shape"
