"""The paced scenario's numbers, on schedules with known answers."""

from __future__ import annotations

from itertools import chain, cycle, repeat

import numpy as np
import pytest

from farm_agent.scenarios import paced as agent_paced
from farm_agent.wire import BlockPlan, JobSpec
from farm_results import scenarios
from farm_results.measured import Measured
from farm_results.scenarios import paced
from farm_results.statistics.stats import quantile
from tests.agents.scenarios.clocks import MS, Clock, S, rows_of
from tests.results import made

COLUMNS = ("scheduled", "start", "end")


def spec(period_ns: int, duration_ns: int) -> JobSpec:
    options = {"period_ns": str(period_ns), "duration_ns": str(duration_ns)}
    return made.spec(scenario="paced", scenario_options=options)


def served(latencies_ns: list[int], period_ns: int, wake_ns: int = 0) -> Measured:
    """These latencies; each inference begins when it is due and the one before has ended."""
    scheduled = np.arange(len(latencies_ns)) * period_ns + 1000
    end = scheduled + np.array(latencies_ns)
    start = np.maximum(scheduled + wake_ns, np.concatenate([[0], end[:-1]]))
    rows = np.stack([scheduled, start, end], axis=1)
    return Measured(rows.astype(np.int64), columns=COLUMNS)


def test_a_stall_shows_in_the_percentiles_as_everyone_waited_for_it() -> None:
    """10 ms of service at 30 per second with one stall of 1 s a minute: 10 ms in a closed loop's p99, 591 ms
    from the schedule (and 987 ms for p99.9)."""
    minute = chain(repeat(10 * MS, 900), [1010 * MS], repeat(10 * MS, 899))
    options = {"period_ns": str(S // 30), "duration_ns": str(600 * S)}
    clock = Clock(chain(repeat(10 * MS, 40), cycle(list(minute))))
    plan = BlockPlan(warmup_min_ns=0, warmup_min_runs=1)
    block = agent_paced.paced(clock.loop(), plan, options, clock.sleep)
    process = Measured(rows_of(block), columns=block.columns)
    found = paced.metrics(spec(S // 30, 600 * S), [process])

    assert quantile(np.sort(process.service_ns()), 0.99) == 10 * MS
    assert found["paced_service_p50_ns"] == 10 * MS
    assert found["paced_p50_ns"] == 10 * MS
    assert found["paced_p99_ns"] == pytest.approx(591 * MS, rel=0.03)
    assert found["paced_p99_9_ns"] == pytest.approx(987 * MS, rel=0.01)
    assert found["paced_max_ns"] == 1010 * MS
    assert found["paced_miss_share"] == pytest.approx(42 / 1800, rel=0.05)
    assert found["paced_unserved_count"] == 0.0


def test_a_deadline_is_missed_one_period_after_its_schedule() -> None:
    period = 10 * MS
    process = served([MS] * 96 + [period] * 2 + [period + 1] * 2, period, wake_ns=MS // 10)
    found = paced.metrics(spec(period, 100 * period), [process])

    assert found["paced_miss_share"] == 0.02
    assert found["paced_period_ns"] == period
    assert found["paced_wakeup_p50_ns"] == MS / 10
    assert found["paced_load_share"] == pytest.approx(0.09)


def test_what_was_never_served_counts_as_missed_and_is_worse_than_any_latency() -> None:
    """Half of 400 schedules: the median is the largest latency that was measured, no higher quantile is
    known."""
    period = 10 * MS
    process = served(list(range(MS, 201 * MS, MS)), period)
    found = paced.metrics(spec(period, 400 * period), [process])

    assert found["paced_unserved_count"] == 200.0
    assert found["paced_p50_ns"] == 200 * MS
    assert not {"paced_p90_ns", "paced_p99_ns"} & found.keys()
    assert found["paced_miss_share"] == (190 + 200) / 400


def test_more_than_half_unserved_leaves_no_median() -> None:
    process = served([MS] * 100, 10 * MS)
    found = paced.metrics(spec(10 * MS, 300 * 10 * MS), [process])

    assert "paced_p50_ns" not in found
    assert found["paced_miss_share"] == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("count", "known"), [(28, set()), (100, {"p90"}), (298, {"p90"}), (299, {"p90", "p99"})]
)
def test_percentiles_appear_only_where_the_count_supports_them(count: int, known: set[str]) -> None:
    found = paced.metrics(spec(10 * MS, count * 10 * MS), [served([MS] * count, 10 * MS)])

    assert {name for name in ("p90", "p99", "p99_9") if f"paced_{name}_ns" in found} == known


def test_the_table_names_the_scenario_in_every_heading() -> None:
    found = paced.metrics(spec(10 * MS, 300 * 10 * MS), [served([MS] * 300, 10 * MS)])
    result = made.result(scenario="paced", metrics=found)

    columns = dict(scenarios.columns(result))
    assert all(heading.startswith("paced ") for heading in columns)
    assert columns["paced p50"] == "1.00 ms"
    assert columns["paced misses"] == "0 %"
    assert scenarios.headline(result) == "paced p50 1.00 ms at 10.0 ms, 0 % missed"
    assert dict(scenarios.columns(made.result(scenario="paced")))["paced p50"] == "–"
