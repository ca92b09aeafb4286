"""What makes each rule of a verdict speak, and what just does not: a calm measurement, one thing changed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from farm_agent.messages.energy import EnergyPlan
from farm_agent.messages.gate import GateCheck, GateReport, Pin
from farm_agent.messages.tool import ToolReport
from farm_agent.wire import CheckResult, PrecisionProof
from farm_results.accuracy import Assessment
from farm_results.model import Energy, Latency, Outliers, Verdict
from farm_results.verdicts import judge
from tests.results.made import block, job, latency, observed, spec

CALM = tuple(block(index) for index in range(5))
FAILED_CHECK = CheckResult(passed=False, max_abs_error=0.7, max_reference=1.0, cosine=0.8, samples=2)
FP16 = replace(spec(), artifact=replace(spec().artifact, precision="fp16"))
INT8 = replace(spec(), artifact=replace(spec().artifact, precision="int8"))


def proof(**operators: int) -> PrecisionProof:
    return PrecisionProof(max(operators, key=lambda name: operators[name]), operators, "test")


def weighted(**operators: int) -> PrecisionProof:
    """Of the operators that carry weights; five others move and add in floats."""
    return PrecisionProof("fp32", {"fp32": 5}, "test", weighted=operators)


def counters(before: int, after: int) -> dict[str, Any]:
    name = "cpu0/thermal_throttle/core_throttle_count"
    return {"before": {"throttle": {name: before}}, "after": {"throttle": {name: after}}}


def watched(**seen: Any) -> dict[str, Any]:
    """One of the five processes was disturbed like this."""
    return {"job": job(blocks=(block(0, observed=observed(**seen)), *CALM[1:]))}


def one(**changes: Any) -> dict[str, Any]:
    """One of the five processes differs like this."""
    return {"job": job(blocks=(*CALM[:4], block(4, **changes)))}


def all_blocks(**changes: Any) -> dict[str, Any]:
    return {"job": job(blocks=tuple(block(index, **changes) for index in range(5)))}


def summary(**changes: Any) -> dict[str, Any]:
    return {"latency": latency(**changes)}


def assessed(**changes: Any) -> dict[str, Any]:
    return {"assessment": Assessment(100, "top-1", **changes)}


def paced(scheduled: str) -> dict[str, Any]:
    return {"spec": spec(scenario="paced"), **one(state={"scheduled": scheduled})}


def cold(seen: str) -> dict[str, Any]:
    state = {"page_cache_asked": "cold", "page_cache": seen, "page_cache_resident_share": "0.2100"}
    return {"spec": spec(scenario="cold-start"), **all_blocks(state=state)}


def gate(*, passed: bool = True, warm: bool = False) -> dict[str, Any]:
    check = GateCheck("cpu-pressure", passed, "CPU pressure 40 %")
    return one(gate=GateReport(passed, 3.0, 1, (check,), warm_start=warm))


def stall(stall_ns: float, median_row_ns: float = 5e6) -> dict[str, Any]:
    calm = Outliers(400, longest_stall_ns=50e6, median_row_ns=5e6)
    return {"outliers": (Outliers(400, longest_stall_ns=stall_ns, median_row_ns=median_row_ns), *[calm] * 4)}


def few(count: int) -> dict[str, Any]:
    changed = latency(blocks=count, count=400 * count, between_block_spread=0.01 if count > 1 else None)
    return {"spec": spec(plan=replace(spec().plan, blocks=count)), "job": job(blocks=CALM[:count]),
            "latency": changed}  # fmt: skip


def ended(word: str, count: int, asked: float = 0.005) -> dict[str, Any]:
    last = block(4, count=count, ended=word, ci_half_width=0.02)
    return {
        "spec": spec(plan=replace(spec().plan, ci_half_width=asked)),
        "job": job(blocks=(*CALM[:4], last)),
        "latency": latency(count=1600 + count),
    }


def tooled(*caveats: str) -> dict[str, Any]:
    report = ToolReport("benchmark_app", "benchmark_app/2026.4", median_ns=1e6, caveats=caveats)
    return {"job": job(blocks=(), tool=report), "latency": None}


def at(p50_ns: float) -> Latency:
    return latency(p50_ns=p50_ns, p50_low_ns=p50_ns, p50_high_ns=p50_ns)


PINNED = (Pin("governor", "ondemand", "performance", restored=True),)
LOW = {"clock_low_share": 0.02, "clock_lowest_khz": 1_500_000}
HOT = watched(temperature_max_c=53.0)

# Per rule: what makes it speak, what just does not, and the word of the verdict when it speaks.
CASES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "samples.count": (summary(count=1999), summary(), "invalid"),
    "check.failed": ({"job": job(check=FAILED_CHECK)}, {}, "invalid"),
    "check.missing": ({"job": job(check=None)}, {}, "invalid"),
    "check.none": ({"spec": spec(golden=None), "job": job(check=None)}, {"spec": spec(golden=None)}, "valid"),
    "accuracy.miscounted": (
        assessed(counted=96, recounted=95),
        assessed(counted=95, recounted=95),
        "invalid",
    ),
    "accuracy.unusable": (assessed(problem="output 0 is float32[100, 9]"), assessed(), "invalid"),
    "accuracy.not-finite": (assessed(not_finite=3), assessed(not_finite=0), "valid"),
    "precision.differs": (
        {"job": job(proof=proof(bf16=50, fp32=1))},
        {"job": job(proof=proof(fp32=50))},
        "invalid",
    ),
    "precision.mixed": (
        {"job": job(proof=proof(fp32=90, bf16=10))},
        {"job": job(proof=proof(fp32=90))},
        "valid",
    ),
    "precision.native": (
        {"job": job(proof=proof(int8=9, fp32=3)), "native": "int8"},
        {"native": "int8"},
        "valid",
    ),
    "precision.higher": ({"spec": FP16}, {"spec": FP16, "job": job(proof=proof(fp16=9))}, "valid"),
    "precision.unkept": (
        {"spec": INT8, "job": job(proof=weighted(fp32=9))},
        {"spec": INT8, "job": job(proof=weighted(fp32=1, int8=9))},
        "invalid",
    ),
    "precision.partial": (
        {"spec": INT8, "job": job(proof=weighted(fp32=2, int8=9))},
        {"spec": INT8, "job": job(proof=weighted(fp32=1, int8=9))},
        "valid",
    ),
    "calibration.same-data": (
        {"calibration": "32 samples, 1 of them in the set that accuracy is counted on"},
        {"calibration": "32 samples"},
        "valid",
    ),
    "calibration.random": ({"calibration": "32 random samples"}, {"calibration": "32 samples"}, "valid"),
    "precision.unproven": ({"job": job(proof=None)}, {}, "valid"),
    "throttle.seen": (
        {"job": job(environment=counters(3, 4))},
        {"job": job(environment=counters(4, 4))},
        "throttled",
    ),
    "throttle.undervoltage": (watched(flags=("under-voltage",)), watched(flags=()), "throttled"),
    "throttle.clock": (
        {"job": replace(watched(**LOW)["job"], pins=PINNED)},
        {"job": replace(watched(clock_low_share=0.01)["job"], pins=PINNED)},
        "throttled",
    ),
    "throttle.slower": (
        {**HOT, **summary(drift=1.04)},
        {**watched(temperature_max_c=52.9), **summary(drift=1.03)},
        "throttled",
    ),
    "latency.drift": (summary(drift=1.04), summary(drift=1.03), "noisy"),
    "latency.settling": (summary(settling=1.04), summary(settling=1.03), "noisy"),
    "clock.varies": (watched(**LOW), watched(clock_low_share=0.01), "noisy"),
    "governor.changed": (watched(governors=("policy0: performance -> powersave",)), {}, "noisy"),
    "charger.changed": (watched(charger="charging -> discharging"), {}, "noisy"),
    "clock.stepped": (watched(clock_step_ns=-10_000_000), watched(clock_step_ns=9_900_000), "noisy"),
    "device.suspended": (watched(suspended_ns=10_000_000), watched(suspended_ns=9_900_000), "noisy"),
    "process.frozen": (stall(251e6), stall(249e6), "noisy"),
    "warmup.unsteady": (one(steady=False), one(), "noisy"),
    "processes.differ": (summary(between_block_spread=0.051), summary(between_block_spread=0.05), "noisy"),
    "interval.none": (summary(p50_low_ns=None, p50_high_ns=None), {}, "noisy"),
    "interval.wide": (summary(p50_low_ns=4_400_000.0), summary(p50_low_ns=4_500_000.0), "noisy"),
    "interval.unmet": (ended("cap", 100), ended("ci", 100), "valid"),
    "cpu.pressure": (one(cpu_pressure_pct=5.0), one(cpu_pressure_pct=4.9), "noisy"),
    "cpu.shared": (watched(other_cpu_pct=25.0), watched(other_cpu_pct=24.9), "noisy"),
    "cpu.waited": (watched(own_waited_ns=1_000_000_000), watched(own_waited_ns=990_000_000), "noisy"),
    "cpu.stolen": (watched(steal_pct=5.0), watched(steal_pct=4.9), "noisy"),
    "job.foreign": (watched(foreign_jobs=("apt-get (4711)",)), {}, "noisy"),
    "contention.heavy": (summary(median_to_min=1.51), summary(median_to_min=1.15), "noisy"),
    "contention.suspect": (summary(median_to_min=1.16), summary(median_to_min=1.15), "valid"),
    "memory.swapping": (
        watched(swapped_in_pages=200, swapped_out_pages=56),
        watched(swapped_in_pages=255),
        "noisy",
    ),
    "memory.swapped": (watched(own_swap_bytes=1_000_000), watched(own_swap_bytes=999_999), "noisy"),
    "memory.pressure": (watched(memory_pressure_pct=1.0), watched(memory_pressure_pct=0.9), "noisy"),
    "memory.faults": (watched(major_faults=11), watched(major_faults=10), "noisy"),
    "blocks.missing": ({"spec": spec(plan=replace(spec().plan, blocks=6))}, {}, "noisy"),
    "block.capped": (ended("cap", 99, asked=0.0), ended("cap", 100, asked=0.0), "valid"),
    "gate.failed": (gate(passed=False), gate(), "noisy"),
    "gate.warm": (gate(warm=True), gate(), "valid"),
    "gate.off": ({"spec": spec(gate=None)}, {}, "valid"),
    "pin.failed": (
        {"job": job(pins=(Pin("turbo", "", "", "no such file"),))},
        {"job": job(pins=PINNED)},
        "noisy",
    ),
    "pin.unrestored": (
        {"job": job(pins=(replace(PINNED[0], restored=False),))},
        {"job": job(pins=PINNED)},
        "valid",
    ),
    "harness.mixed": (one(harness="native"), all_blocks(harness="native"), "noisy"),
    "harness.python": ({"latency": at(499_000)}, {"latency": at(500_000)}, "valid"),
    "samples.batched": (all_blocks(calls_per_sample=2), all_blocks(calls_per_sample=1), "valid"),
    "timer.coarse": (
        {"latency": at(15_900), **all_blocks(harness="native")},
        {"latency": at(16_000), **all_blocks(harness="native")},
        "valid",
    ),
    "sensor.problem": (watched(problems=("rapl: permission denied",)), {}, "valid"),
    "energy.missing": (
        {"spec": spec(energy=EnergyPlan()), "energy": (Energy("rapl", "", "", error_message="too short"),)},
        {"spec": spec(energy=EnergyPlan()), "energy": (Energy("rapl", "", "", gross_j=0.1),)},
        "valid",
    ),
    "device.drift": ({"drift": ("kernel 6.1.0 -> 6.6.2",)}, {"drift": ()}, "valid"),
    "device.emulated": (
        {"job": job(environment={"machine": "aarch64", "clocksource": "tsc"})},
        {},
        "invalid",
    ),
    "paced.unserved": (paced("401"), paced("400"), "noisy"),
    "cold.page-cache": (cold("partly"), cold("cold"), "noisy"),
    "processes.few": (few(4), few(5), "valid"),
    "job.cut-short": ({"job": job(blocks=CALM, outcome="stopped")}, {}, "valid"),
    "processes.one": (few(1), few(5), "valid"),
    "tool.protocol": (tooled(), {}, "valid"),
    "tool.caveat": (tooled("rounded to 0.01 ms"), tooled(), "valid"),
}
ALSO = {"tool.caveat": {"tool.protocol"}}


def verdict_of(changes: dict[str, Any]) -> Verdict:
    summed = changes.get("latency", latency())
    return judge(
        changes.get("spec", spec()),
        changes.get("job", job()),
        summed,
        native=changes.get("native", ""),
        outliers=changes.get("outliers", ()),
        energy=changes.get("energy", ()),
        calibration=changes.get("calibration", ""),
        assessment=changes.get("assessment"),
        drift=changes.get("drift", ()),
    )
