"""Cold, sustained and the time to throttle, on timelines with known answers."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from farm_results import scenarios
from farm_results.measured import Measured
from farm_results.scenarios import sustained
from tests.results import made

MS = 1_000_000
S = 1000 * MS


def timeline(latency_ns: Callable[[float], float], seconds: float, calls: int = 1) -> Measured:
    """Back-to-back rows; each takes ``calls`` times what ``latency_ns`` says of its start, in seconds."""
    rows, now = [], 0
    while now < seconds * S:
        end = now + round(latency_ns(now / S) * calls)
        rows.append((now, end))
        now = end
    return Measured(np.array(rows, dtype=np.int64), calls=calls)


def metrics(*processes: Measured, bin_s: float = 10) -> dict[str, float]:
    options = {"duration_ns": str(600 * S), "bin_ns": str(round(bin_s * S))}
    return sustained.metrics(made.spec(scenario="sustained", scenario_options=options), processes)


def test_a_device_that_stays_cool_never_throttles() -> None:
    found = metrics(timeline(lambda _: 20 * MS, 600))

    assert found["sustained_cold_p50_ns"] == found["sustained_p50_ns"] == 20 * MS
    assert found["sustained_ratio"] == 1.0
    assert found["sustained_bins_count"] == 60
    assert "time_to_throttle_s" not in found


def test_throttling_begins_with_the_first_of_two_slow_bins() -> None:
    """20 ms, from 200 s on 30 ms: the last five minutes are all slow."""
    found = metrics(timeline(lambda at: 20 * MS if at < 200 else 30 * MS, 600))

    assert found["time_to_throttle_s"] == 200
    assert found["sustained_p50_ns"] == 30 * MS
    assert found["sustained_ratio"] == 1.5


def test_one_slow_bin_is_no_throttling() -> None:
    found = metrics(timeline(lambda at: 30 * MS if 200 <= at < 210 else 20 * MS, 400))

    assert "time_to_throttle_s" not in found
    assert found["sustained_worst_bin_p50_ns"] == 30 * MS


@pytest.mark.parametrize(("factor", "throttles"), [(1.029, False), (1.031, True)])
def test_three_percent_over_the_best_bin_is_the_limit(factor: float, throttles: bool) -> None:
    found = metrics(timeline(lambda at: 20 * MS * (1 if at < 100 else factor), 200))

    assert ("time_to_throttle_s" in found) is throttles


def test_a_clock_that_ramps_up_first_is_measured_from_its_best() -> None:
    """The first bin is slow, the next ones are the device's best: falling back to the first is throttling."""
    found = metrics(timeline(lambda at: 20 * MS if 10 <= at < 100 else 22 * MS, 300))

    assert found["time_to_throttle_s"] == 100


def test_a_short_run_takes_its_last_half_as_sustained() -> None:
    found = metrics(timeline(lambda at: 10 * MS if at < 30 else 15 * MS, 60))

    assert found["sustained_p50_ns"] == 15 * MS
    assert found["sustained_cold_p50_ns"] == 10 * MS


def test_rows_of_several_inferences_are_divided_by_their_number() -> None:
    found = metrics(timeline(lambda _: MS, 60, calls=50))

    assert found["sustained_p50_ns"] == MS


def test_the_earliest_throttling_of_several_processes_counts() -> None:
    early = timeline(lambda at: 20 * MS if at < 60 else 30 * MS, 200)
    never = timeline(lambda _: 20 * MS, 200)

    assert metrics(never, early)["time_to_throttle_s"] == 60


def test_a_run_slower_than_its_bins_keeps_what_is_known() -> None:
    found = metrics(timeline(lambda _: 25 * S, 100), bin_s=10)

    assert found["sustained_cold_p50_ns"] == 25 * S
    assert found["sustained_ratio"] == 1.0


def test_a_bin_that_is_not_over_is_left_out() -> None:
    found = metrics(timeline(lambda at: 20 * MS if at < 20 else 200 * MS, 25))

    assert found["sustained_bins_count"] == 2
    assert found["sustained_worst_bin_p50_ns"] == 20 * MS


def test_the_table_tells_never_with_how_long_it_looked() -> None:
    cool = made.result(scenario="sustained", metrics=metrics(timeline(lambda _: 20 * MS, 600)))
    hot = made.result(
        scenario="sustained",
        metrics=metrics(timeline(lambda at: 20 * MS if at < 200 else 30 * MS, 600)),
    )

    assert dict(scenarios.columns(cool))["sustained throttles after"] == "not in 600 s"
    assert dict(scenarios.columns(hot))["sustained throttles after"] == "200 s"
    assert dict(scenarios.columns(hot))["sustained/cold"] == "1.500"
    assert scenarios.headline(hot).startswith("sustained p50 30.0 ms, cold 20.0 ms")


def test_a_hostile_device_that_claims_a_century_does_not_fill_the_memory() -> None:
    """Bins are made of rows, not of time."""
    rows = np.array([(0, MS), (2**61, 2**61 + MS), (2**62, 2**62 + 5 * MS)], dtype=np.int64)
    found = metrics(Measured(rows))

    assert found["sustained_cold_p50_ns"] == MS
    assert found["sustained_bins_count"] > 1e8
