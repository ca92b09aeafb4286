"""What a run says it will do and how long that takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from farm.measure import Measure, plan_of, scenario_options
from farm.outline import outline, patience_s, process_s, timeout_s
from farm_agent.messages.energy import EnergyPlan
from farm_agent.wire import ArtifactSpec, JobSpec


def measure(scenario: str, **options: float) -> Measure:
    return Measure(scenario=scenario, scenario_options=scenario_options(scenario, **options))  # type: ignore[arg-type]


def spec(asked: Measure, **changes: object) -> JobSpec:
    base = JobSpec(
        "j",
        1,
        ArtifactSpec("onnx", "fp32", (), (), ()),
        "onnxruntime",
        plan_of(scenario=asked.scenario),
        scenario=asked.scenario,
        scenario_options=dict(asked.scenario_options),
    )
    return replace(base, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("latency", "latency, 5 fresh processes per job, each warmed up until steady, then at least 10 s"),
        ("paced", "due every 33.33 ms and timed from then; 5 fresh processes"),
        ("throughput", "streams 1,2,4… up to its cores; 3 fresh processes per job and number of streams"),
        ("sustained", "1 fresh process per job, back to back from cold for 10 min, in bins of 10 s"),
        ("cold-start", "page cache warm: 10 fresh processes per job, each from import to first inference"),
    ],
)
def test_the_text_says_what_is_measured(scenario: str, words: str) -> None:
    asked = measure(scenario)

    assert words in outline(plan_of(scenario=scenario), asked).text


@pytest.mark.parametrize(
    ("scenario", "least_s", "most_s"),
    [
        ("latency", 11.0, 90.0),
        ("paced", 11.0, 90.0),
        ("sustained", 600.0, 600.0),
        ("cold-start", 2.0, 90.0),
    ],
)
def test_a_process_takes_its_warm_up_and_its_block(scenario: str, least_s: float, most_s: float) -> None:
    found = process_s(plan_of(scenario=scenario), measure(scenario))

    assert found == pytest.approx((least_s, most_s), rel=0.01)


def test_a_job_takes_all_its_processes() -> None:
    """And energy windows where they were asked for."""
    usual = outline(plan_of(), measure("latency"))
    curve = outline(plan_of(scenario="throughput"), measure("throughput"))
    energy = outline(plan_of(), Measure(energy=EnergyPlan()))

    starts_s = 5 * 2.5 + 3.0
    assert usual.least_s == 5 * 11 + starts_s
    assert curve.least_s == 9 * 11 + 9 * 2.5 + 3.0
    assert energy.least_s - usual.least_s == 50.0


def test_the_profiles_time_limit_grows_with_what_takes_longer() -> None:
    """Half an hour must not be killed after ten minutes; an ordinary block keeps the profile's limit."""
    assert timeout_s(600.0, plan_of(), measure("latency")) == 600.0
    assert timeout_s(600.0, plan_of(scenario="sustained"), measure("sustained", duration_s=1800.0)) == 2310.0


def test_the_driver_waits_for_every_process_of_a_curve() -> None:
    one = measure("throughput", streams=(1,))  # type: ignore[arg-type]
    four = measure("throughput", streams=(1, 2, 4, 8))  # type: ignore[arg-type]

    assert patience_s(spec(four)) - patience_s(spec(one)) == 9 * 600.0
    assert patience_s(spec(one, energy=EnergyPlan())) > patience_s(spec(one)) + 600.0
