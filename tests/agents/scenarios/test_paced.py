"""The paced scenario: a schedule that never moves, served by a process that sleeps."""

from __future__ import annotations

from itertools import chain, repeat

import numpy as np
import pytest

from farm_agent import bench
from farm_agent.errors import JobError
from farm_agent.scenarios import paced
from farm_agent.wire import ArtifactSpec, BlockPlan, JobSpec
from tests.agents.scenarios.clocks import MS, QUICK, US, Clock, S, rows_of

OPTIONS = {"period_ns": str(10 * MS), "duration_ns": str(S)}


def run(clock: Clock, plan: BlockPlan = QUICK, options: dict[str, str] = OPTIONS) -> bench.Block:
    return paced.paced(clock.loop(), plan, options, clock.sleep)


def spec(**options: str) -> JobSpec:
    artifact = ArtifactSpec("onnx", "fp32", (), (), ())
    return JobSpec("j", 1, artifact, "onnxruntime", QUICK, scenario="paced", scenario_options=options)


def test_every_row_holds_schedule_start_and_end() -> None:
    """The start is later than the schedule by what it takes to wake up, and the latency holds both."""
    block = run(Clock(repeat(2 * MS), wake_ns=60 * US))
    rows = rows_of(block)

    assert block.columns == ("scheduled", "start", "end")
    assert (len(rows), block.ended, block.state["scheduled"]) == (100, "runs", "100")
    assert np.diff(rows[:, 0]).tolist() == [10 * MS] * 99
    assert (rows[:, 1] - rows[:, 0] == 60 * US).all()
    assert (rows[:, 2] - rows[:, 0] == 2 * MS + 60 * US).all()


def test_a_stall_delays_everyone_who_was_due_in_it() -> None:
    """One inference of 55 ms: the five behind it begin late, back to back, and their schedule stays."""
    warm = 2 * paced.WINDOW_RUNS * 2
    clock = Clock(chain(repeat(2 * MS, warm + 50), [55 * MS], repeat(2 * MS)))
    rows = rows_of(run(clock))
    latency = (rows[:, 2] - rows[:, 0]) // MS
    stalled = int(np.argmax(latency))

    assert np.diff(rows[:, 0]).tolist() == [10 * MS] * (len(rows) - 1)
    assert latency[stalled : stalled + 8].tolist() == [55, 47, 39, 31, 23, 15, 7, 2]
    late = rows[stalled + 1 : stalled + 6]
    assert (late[:, 1] == rows[stalled : stalled + 5, 2]).all()


def test_a_device_that_cannot_keep_up_is_stopped_and_the_rest_of_the_schedule_stays_known() -> None:
    """At the plan's cap: what was never served is the difference to the state's number."""
    plan = BlockPlan(min_runs=10, max_time_ns=2 * S, warmup_min_ns=0, warmup_min_runs=1, warmup_max_ns=5 * S)
    block = run(Clock(repeat(50 * MS)), plan)

    assert block.ended == "cap"
    assert block.count == 40
    assert block.state["scheduled"] == "100"


def test_the_warm_up_keeps_the_cadence_and_waits_for_the_times_to_settle() -> None:
    falling = [int(8 * MS * 0.95**k) + MS for k in range(60)]
    clock = Clock(chain(falling, repeat(MS)))
    warm = paced.warm_up(clock.loop(), QUICK, 10 * MS, clock.sleep)

    assert warm.steady
    assert warm.runs > 60
    assert warm.elapsed_ns == pytest.approx(warm.runs * 10 * MS, rel=0.1)


def test_a_warm_up_that_never_settles_is_given_up() -> None:
    rising = (int(MS * 1.01**k) for k in range(2000))
    clock = Clock(rising)
    warm = paced.warm_up(clock.loop(), QUICK, 10 * MS, clock.sleep)

    assert not warm.steady
    assert warm.elapsed_ns < 20 * S


def test_the_schedule_has_the_plans_least_runs_unless_a_duration_is_given() -> None:
    plan = BlockPlan(min_time_ns=S, min_runs=500)

    assert paced.cadence({}, BlockPlan(min_time_ns=10 * S)) == (33_333_333, 301)
    assert paced.cadence({"period_ns": str(10 * MS)}, plan) == (10 * MS, 500)
    assert paced.cadence({"period_ns": str(10 * MS), "duration_ns": str(2 * S)}, plan) == (10 * MS, 200)


def test_a_schedule_longer_than_the_cap_gets_twice_its_length() -> None:
    plan = BlockPlan(max_time_ns=60 * S)

    assert paced.span({}, plan)[1] == 60 * S
    assert paced.span({"duration_ns": str(300 * S)}, plan)[1] == pytest.approx(600 * S, rel=0.01)


@pytest.mark.parametrize("text", ["", "0", "-5", "1e6", "99", "٣٣٣٣٣٣", "9" * 30, "10ms"])
def test_a_period_that_is_no_number_of_nanoseconds_is_refused_before_anything_runs(text: str) -> None:
    with pytest.raises(JobError) as caught:
        paced.points(spec(period_ns=text))
    assert caught.value.code == "scenario.option"
    assert caught.value.fix


def test_more_inferences_than_memory_has_room_for_are_refused() -> None:
    with pytest.raises(JobError, match="period_ns"):
        paced.points(spec(period_ns="100000", duration_ns=str(3600 * S)))


def test_each_block_is_one_point() -> None:
    assert paced.points(spec()) == [{}, {}]
