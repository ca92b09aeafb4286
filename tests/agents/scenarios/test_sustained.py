"""The sustained scenario: from cold, without a pause, for a given time, in a bounded number of rows."""

from __future__ import annotations

from itertools import repeat

import pytest

from farm_agent import bench
from farm_agent.errors import JobError
from farm_agent.scenarios import sustained
from farm_agent.wire import ArtifactSpec, JobSpec
from tests.agents.scenarios.clocks import MS, QUICK, US, Asked, Clock, S, rows_of


def options(duration_ns: int, bin_ns: int = 10 * S) -> dict[str, str]:
    return {"duration_ns": str(duration_ns), "bin_ns": str(bin_ns)}


def test_every_run_of_the_duration_is_kept_from_the_first_on() -> None:
    """No warm-up: the rows begin after the five runs that tell how long one takes."""
    clock = Clock(repeat(100 * MS))
    block = sustained.measure(clock.loop(), Asked(scenario_options=options(60 * S)))
    rows = rows_of(block)

    assert (block.count, block.ended, block.calls_per_sample) == (600, "runs", 1)
    assert rows[0, 0] - 1_000 < 10 * 100 * MS
    assert (rows[1:, 0] == rows[:-1, 1]).all()
    assert block.warmup.runs <= sustained.PILOT_RUNS


def test_a_fast_network_shares_rows_so_that_minutes_fit_into_memory() -> None:
    """600 s of 3 µs would be 200 million rows."""
    clock = Clock(repeat(3 * US))
    calls, tried = sustained.calls_per_row(clock.loop(), 600 * S)

    assert calls == 100
    assert 600 * S / (3 * US * calls) <= bench.WISHED_ROWS
    assert tried * 3 * US <= sustained.PILOT_NS + 3 * US


def test_rows_of_several_inferences_hold_all_of_them() -> None:
    clock = Clock(repeat(10))
    loop = clock.loop()
    loop.cost_ns = 5
    block = sustained.measure(loop, Asked(scenario_options=options(MS, bin_ns=100 * US)))
    rows = rows_of(block)

    assert block.calls_per_sample == 100
    assert (rows[:, 1] - rows[:, 0] == 1000).all()
    assert block.count * 100 + block.warmup.runs == clock.calls


def test_an_inference_longer_than_everything_still_gives_a_row() -> None:
    clock = Clock(repeat(100 * S))
    block = sustained.measure(clock.loop(), Asked(scenario_options=options(60 * S)))

    assert block.count == 1


@pytest.mark.parametrize("values", [options(19 * S), {"duration_ns": "abc"}, {"bin_ns": "0"}])
def test_less_than_two_bins_or_no_number_is_refused(values: dict[str, str]) -> None:
    artifact = ArtifactSpec("onnx", "fp32", (), (), ())
    spec = JobSpec("j", 1, artifact, "onnxruntime", QUICK, scenario="sustained", scenario_options=values)
    with pytest.raises(JobError) as caught:
        sustained.points(spec)
    assert caught.value.code == "scenario.option"
