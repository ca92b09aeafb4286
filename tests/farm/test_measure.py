"""Plans and options of the scenarios: what a user may ask for, and what it means."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm.errors import UsageError
from farm.measure import FULL, SMOKE, Measure, conditions, plan_of, scenario_options
from farm_agent import scenarios
from farm_agent.wire import ArtifactSpec, JobSpec


def test_every_scenario_has_its_plan() -> None:
    assert set(FULL) == set(SMOKE) == set(scenarios.names())


@pytest.mark.parametrize("scenario", scenarios.names())
@pytest.mark.parametrize("smoke", [True, False])
def test_the_defaults_are_options_that_the_agent_accepts(scenario: str, smoke: bool) -> None:
    spec = JobSpec(
        "j",
        1,
        ArtifactSpec("onnx", "fp32", (), (), ()),
        "onnxruntime",
        plan_of(scenario=scenario, smoke=smoke),
        scenario=scenario,
        scenario_options=scenario_options(scenario, smoke=smoke),
    )
    assert scenarios.load(scenario).points(spec)


def test_only_the_closed_loop_ends_by_the_width_of_an_interval() -> None:
    assert plan_of().ci_half_width == 0.005
    assert plan_of(scenario="paced").ci_half_width == 0.0


@pytest.mark.parametrize(("most_s", "warm_s"), [(None, 30.0), (90.0, 30.0), (10.0, 10.0), (0.2, 2.0)])
def test_a_warm_up_is_no_longer_than_the_block_may_be(most_s: float | None, warm_s: float) -> None:
    assert plan_of(max_time_s=most_s).warmup_max_ns == int(warm_s * 1e9)


def test_cold_starts_are_many_enough_to_bound_their_median() -> None:
    """Six processes are the fewest with an exact 95 % interval."""
    assert plan_of(scenario="cold-start").blocks == 10
    assert plan_of(scenario="cold-start", smoke=True).blocks == 6


def test_sustained_takes_one_process_and_ten_minutes() -> None:
    assert plan_of(scenario="sustained").blocks == 1
    assert scenario_options("sustained")["duration_ns"] == str(600 * 10**9)
    assert scenario_options("sustained", smoke=True)["duration_ns"] == str(60 * 10**9)
    assert scenario_options("sustained", duration_s=1800.0)["duration_ns"] == str(1800 * 10**9)


def test_options_reach_the_agent_as_it_reads_them() -> None:
    assert scenario_options("paced", period_s=0.05, duration_s=30.0) == {
        "period_ns": "50000000",
        "duration_ns": "30000000000",
    }
    assert scenario_options("throughput", streams=(4, 1)) == {"streams": "4,1"}
    assert scenario_options("cold-start", page_cache="cold") == {"page_cache": "cold"}
    assert scenario_options("latency") == {}


@pytest.mark.parametrize(
    ("scenario", "options", "fix"),
    [
        ("latency", {"period_s": 0.03}, "add --scenario paced, or leave --period out"),
        ("throughput", {"duration_s": 60.0}, "add --scenario sustained, or leave --duration out"),
        ("paced", {"streams": (1, 2)}, "add --scenario throughput, or leave --streams out"),
        ("sustained", {"page_cache": "cold"}, "add --scenario cold-start, or leave --page-cache out"),
        ("sustained", {"duration_s": 59.0}, "give at least --duration 60s"),
        ("paced", {"duration_s": 0.2}, "give at least --duration 333ms"),
        ("paced", {"period_s": 2.0, "duration_s": 10.0}, "give at least --duration 20s"),
        ("paced", {"period_s": 0.00001}, "give at least --period 0.1ms"),
        ("paced", {"period_s": 0.0}, "give at least --period 0.1ms"),
    ],
)
def test_an_option_that_means_nothing_is_refused_with_what_to_type(
    scenario: str, options: dict[str, Any], fix: str
) -> None:
    with pytest.raises(UsageError) as caught:
        scenario_options(scenario, **options)
    assert caught.value.code == "scenario.option"
    assert caught.value.fix.startswith(fix)


@pytest.mark.parametrize("times", [{"min_time_s": 5.0}, {"max_time_s": 5.0}])
def test_sustained_has_a_duration_and_no_other_times(times: dict[str, float]) -> None:
    with pytest.raises(UsageError) as caught:
        plan_of(scenario="sustained", **times)  # type: ignore[arg-type]
    assert caught.value.fix == "say how long with --duration 10m"


@pytest.mark.parametrize(
    ("scenario", "options", "expected"),
    [
        ("latency", {}, {}),
        ("throughput", {}, {}),
        ("throughput", {"streams": (10, 9, 1)}, {"throughput.streams": "1,9,10"}),
        ("sustained", {}, {}),
        ("sustained", {"smoke": True}, {"sustained.duration_ns": "60000000000"}),
        ("paced", {"period_s": 1 / 30}, {}),
        ("paced", {"period_s": 0.1}, {"paced.period_ns": "100000000"}),
        ("cold-start", {"page_cache": "warm"}, {}),
        ("cold-start", {"page_cache": "cold"}, {"cold-start.page_cache": "cold"}),
    ],
)
def test_what_is_not_usual_makes_a_series_of_its_own(
    scenario: str, options: dict[str, Any], expected: dict[str, str]
) -> None:
    """Usual runs stay in the series that they always had."""
    measure = Measure(scenario=scenario, scenario_options=scenario_options(scenario, **options))
    assert conditions(measure) == expected
    assert conditions(replace(measure, tool="benchmark_model")) == {**expected, "tool": "benchmark_model"}
