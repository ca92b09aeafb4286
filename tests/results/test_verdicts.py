"""Every rule speaks when it should, and is silent about a calm measurement."""

from __future__ import annotations

from typing import Any

import pytest

from farm_agent.messages.observed import Observed
from farm_results.model import Outliers
from farm_results.rules import RULES, rules_markdown
from farm_results.verdicts import judge
from tests.results.made import job, latency, spec
from tests.results.verdict_cases import (
    ALSO,
    CASES,
    FAILED_CHECK,
    HOT,
    all_blocks,
    one,
    stall,
    summary,
    verdict_of,
    watched,
)
from tests.support import ROOT


def test_a_calm_measurement_is_valid_without_caveats() -> None:
    verdict = judge(spec(), job(), latency())
    assert (verdict.word, verdict.caveats) == ("valid", ())


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_speaks_alone(code: str) -> None:
    """The case of a rule raises that rule and no other, with the rule's severity and a next step."""
    speaking, _, word = CASES[code]
    verdict = verdict_of(speaking)
    assert {caveat.code for caveat in verdict.caveats} == {code} | ALSO.get(code, set())
    assert verdict.word == word
    assert all(caveat.evidence and caveat.next_step for caveat in verdict.caveats)


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_is_silent_on_the_other_side_of_its_threshold(code: str) -> None:
    assert code not in {caveat.code for caveat in verdict_of(CASES[code][1]).caveats}


def test_a_second_of_standing_still_is_seen_however_it_shows() -> None:
    """By the reads that found it stopped, or by one run far longer than all else; not for a slow model."""
    assert verdict_of(watched(stopped_reads=4)).word == "noisy"
    assert verdict_of(stall(1e9)).word == "noisy"
    assert verdict_of(stall(1e9, median_row_ns=1.5e9)).word == "noisy"
    assert verdict_of(stall(0.9e9, median_row_ns=2e9)).word == "valid"


def test_a_slope_alone_is_drift_only_when_luck_does_not_explain_it() -> None:
    assert verdict_of(summary(slope=0.04, slope_p=0.001)).caveats[0].code == "latency.drift"
    assert verdict_of(summary(slope=0.04, slope_p=0.0021)).word == "valid"
    assert verdict_of(summary(slope=0.029, slope_p=0.001)).word == "valid"
    assert verdict_of({**HOT, **summary(slope=0.04, slope_p=0.001)}).word == "throttled"


def test_other_flags_than_low_voltage_are_throttling() -> None:
    (caveat,) = verdict_of(watched(flags=("throttled",))).caveats
    assert caveat.code == "throttle.seen"


@pytest.mark.parametrize(
    ("scenario", "changes"),
    [
        ("throughput", watched(own_waited_ns=9_000_000_000)),
        ("throughput", one(cpu_pressure_pct=80.0)),
        ("paced", summary(median_to_min=3.0)),
        ("sustained", summary(drift=1.5)),
        ("cold-start", summary(p50_low_ns=None, p50_high_ns=None)),
    ],
)
def test_a_scenario_is_not_blamed_for_what_it_does_on_purpose(scenario: str, changes: dict[str, Any]) -> None:
    assert verdict_of(changes).word == "noisy"
    assert verdict_of({**changes, "spec": spec(scenario=scenario)}).word == "valid"


def test_samples_are_counted_process_by_process_where_they_were_looked_at() -> None:
    """A scenario's summary may leave processes out; its files may not."""
    whole = tuple(Outliers(400) for _ in range(5))
    assert verdict_of({"outliers": whole, **summary(count=400)}).word == "valid"
    assert verdict_of({"outliers": (*whole[:4], Outliers(399))}).word == "invalid"


def test_an_old_agent_that_watched_nothing_is_no_fault() -> None:
    assert verdict_of(all_blocks(observed=None)).caveats == ()
    assert verdict_of(all_blocks(observed=Observed())).caveats == ()


def test_the_worst_caveat_gives_the_word_and_stands_first() -> None:
    verdict = judge(spec(), job(check=FAILED_CHECK, proof=None), latency(drift=2.0))
    assert verdict.word == "invalid"
    assert [caveat.severity for caveat in verdict.caveats] == ["invalid", "noisy", "note"]


def test_nothing_measured_gets_no_word() -> None:
    assert judge(spec(), job(outcome="failed", blocks=()), None).word == ""


def test_a_fan_that_speeds_up_is_no_throttling() -> None:
    environment = {"before": {"throttle": {"cooling_device0:pwm-fan": 0}},
                   "after": {"throttle": {"cooling_device0:pwm-fan": 3}}}  # fmt: skip
    assert judge(spec(), job(environment=environment), latency()).word == "valid"


@pytest.mark.parametrize(
    ("machine", "clock"), [("x86_64", "tsc"), ("aarch64", "arch_sys_counter"), ("aarch64", None)]
)
def test_a_real_device_is_not_called_emulated(machine: str, clock: str | None) -> None:
    environment = {"machine": machine, "clocksource": clock}
    assert judge(spec(), job(environment=environment), latency()).caveats == ()


@pytest.mark.parametrize("environment", [{"before": 3}, {"before": {"throttle": ["x"]}}, {"after": None}])
def test_an_odd_environment_is_no_reason_to_fail(environment: dict[str, Any]) -> None:
    assert judge(spec(), job(environment=environment), latency()).word == "valid"


def test_the_page_shows_the_table_of_rules() -> None:
    """docs/verdicts.md holds exactly what ``rules_markdown`` makes."""
    assert rules_markdown() in (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
