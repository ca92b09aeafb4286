"""Every rule speaks when it should, and is silent about a calm measurement."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from farm_agent.wire import CheckResult, PrecisionProof
from farm_results.verdicts import RULES, judge, rules_markdown
from tests.results.made import block, job, latency, spec
from tests.support import ROOT

FAILED_CHECK = CheckResult(passed=False, max_abs_error=0.7, max_reference=1.0, cosine=0.8, samples=2)
FP16 = replace(spec(), artifact=replace(spec().artifact, precision="fp16"))


def proof(**operators: int) -> PrecisionProof:
    return PrecisionProof(max(operators, key=lambda name: operators[name]), operators, "test")


def counters(before: int, after: int) -> dict[str, Any]:
    name = "cpu0/thermal_throttle/core_throttle_count"
    return {"before": {"throttle": {name: before}}, "after": {"throttle": {name: after}}}


# One case per rule: what is changed, the word that must come out.
SPEAKING: dict[str, tuple[dict[str, Any], str]] = {
    "samples.count": ({"latency": latency(count=1199)}, "invalid"),
    "check.failed": ({"job": job(check=FAILED_CHECK)}, "invalid"),
    "check.missing": ({"job": job(check=None)}, "invalid"),
    "check.none": ({"spec": spec(golden=None), "job": job(check=None)}, "valid"),
    "precision.differs": ({"job": job(proof=proof(bf16=50, fp32=1))}, "invalid"),
    "precision.mixed": ({"job": job(proof=proof(fp32=50, bf16=1))}, "valid"),
    "precision.native": ({"job": job(proof=proof(int8=9, fp32=3)), "native": "int8"}, "valid"),
    "precision.higher": ({"spec": FP16}, "valid"),
    "precision.unproven": ({"job": job(proof=None)}, "valid"),
    "throttle.seen": ({"job": job(environment=counters(3, 4))}, "throttled"),
    "warmup.unsteady": ({"job": job(blocks=(block(0), block(1), block(2, steady=False)))}, "noisy"),
    "latency.drift": ({"latency": latency(drift=1.04)}, "noisy"),
    "processes.differ": ({"latency": latency(between_block_spread=0.06)}, "noisy"),
    "interval.none": ({"latency": latency(p50_low_ns=None, p50_high_ns=None)}, "noisy"),
    "interval.wide": ({"latency": latency(p50_low_ns=4_400_000.0)}, "noisy"),
    "cpu.pressure": ({"job": job(blocks=(block(0), block(1), block(2, cpu_pressure_pct=5.0)))}, "noisy"),
    "contention.heavy": ({"latency": latency(median_to_min=1.6)}, "noisy"),
    "contention.suspect": ({"latency": latency(median_to_min=1.2)}, "valid"),
    "blocks.missing": (
        {"latency": latency(blocks=2, count=800), "job": job(blocks=(block(0), block(1)))},
        "noisy",
    ),
    "block.capped": (
        {
            "latency": latency(count=850),
            "job": job(blocks=(block(0), block(1), block(2, count=50, ended="cap"))),
        },
        "valid",
    ),
    "timer.coarse": (
        {"latency": latency(p50_ns=10_000.0, p50_low_ns=9_990.0, p50_high_ns=10_010.0)},
        "valid",
    ),
    "device.emulated": ({"job": job(environment={"machine": "aarch64", "clocksource": "tsc"})}, "valid"),
    "processes.one": (
        {
            "spec": spec(plan=replace(spec().plan, blocks=1)),
            "job": job(blocks=(block(0),)),
            "latency": latency(blocks=1, count=400, between_block_spread=None),
        },
        "valid",
    ),
}


def test_a_calm_measurement_is_valid_without_caveats() -> None:
    verdict = judge(spec(), job(), latency())
    assert (verdict.word, verdict.caveats) == ("valid", ())


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_speaks_alone(code: str) -> None:
    """The case of a rule raises that rule and no other, with the rule's severity and a next step."""
    changes, word = SPEAKING[code]
    parts = (changes.get("spec", spec()), changes.get("job", job()), changes.get("latency", latency()))
    verdict = judge(*parts, native=changes.get("native", ""))
    assert [caveat.code for caveat in verdict.caveats] == [code]
    assert verdict.word == word
    assert verdict.caveats[0].evidence
    assert verdict.caveats[0].next_step


def test_the_worst_caveat_gives_the_word_and_stands_first() -> None:
    verdict = judge(spec(), job(check=FAILED_CHECK, proof=None), latency(drift=2.0))
    assert verdict.word == "invalid"
    assert [caveat.severity for caveat in verdict.caveats] == ["invalid", "noisy", "note"]


def test_nothing_measured_gets_no_word() -> None:
    assert judge(spec(), job(outcome="failed", blocks=()), None).word == ""


@pytest.mark.parametrize(
    ("asked", "operators", "code"),
    [
        ("fp32", {"fp32": 9, "int8": 8, "other": 4}, ""),
        ("fp32", {"fp16": 9}, "precision.differs"),
        ("fp32", {"fp32": 9, "fp16": 5}, "precision.differs"),
        ("fp16", {"bf16": 9}, "precision.differs"),
        ("fp16", {"fp32": 9}, "precision.higher"),
        ("fp16", {"fp16": 9, "fp32": 3}, ""),
        ("fp32", {"mystery": 9}, "precision.differs"),
        ("fp32", {"other": 9}, "precision.unproven"),
    ],
)
def test_precision_is_what_ran_not_what_was_asked(asked: str, operators: dict[str, int], code: str) -> None:
    wanted = replace(spec(), artifact=replace(spec().artifact, precision=asked))
    verdict = judge(wanted, job(proof=proof(**operators)), latency())
    assert [caveat.code for caveat in verdict.caveats] == ([code] if code else [])


@pytest.mark.parametrize(
    ("native", "operators", "code"),
    [
        ("fp16", {"fp16": 9, "fp32": 2}, "precision.native"),
        ("fp16", {"fp32": 9, "fp16": 5}, ""),
        ("fp16", {"bf16": 9}, "precision.differs"),
        ("int8", {"fp32": 9}, ""),
    ],
)
def test_a_reduced_model_may_run_as_it_is(native: str, operators: dict[str, int], code: str) -> None:
    """What the file itself holds is not the runtime's doing; anything else still is."""
    verdict = judge(spec(), job(proof=proof(**operators)), latency(), native=native)
    assert [caveat.code for caveat in verdict.caveats] == ([code] if code else [])


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
