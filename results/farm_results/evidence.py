"""What the rules of ``verdicts`` look at. Each function returns a sentence with the numbers, or ""."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from farm_agent.wire import JobResult, JobSpec
from farm_results.model import Latency

# How much a precision can hold, for "lower" and "higher"; unknown words are only ever equal or different.
_RANK = {"fp64": 64, "fp32": 32, "tf32": 19, "fp16": 16, "bf16": 15, "fp8": 9, "int8": 8, "int4": 4}
_PC_CLOCKS = ("tsc", "hpet", "acpi_pm", "kvm-clock")
_REDUCED_FLOATS = ("tf32", "fp16", "bf16", "fp8")


@dataclass(frozen=True)
class Case:
    """One measurement before the rules. ``native``: the reduced precision that the source model itself
    holds (a quantised or half-precision file), or ""."""

    spec: JobSpec
    job: JobResult
    latency: Latency
    native: str = ""

    @property
    def asked(self) -> str:
        return self.spec.artifact.precision

    @property
    def executed(self) -> str:
        """ "" when the runtime did not tell."""
        proof = self.job.proof
        return "" if proof is None or proof.executed == "other" else proof.executed


def count_differs(case: Case, _: float) -> str:
    said = sum(block.count for block in case.job.blocks)
    got = case.latency.count
    return "" if got == said else f"{got} samples arrived, the device says it took {said}"


def check_failed(case: Case, _: float) -> str:
    check = case.job.check
    if check is None or check.passed:
        return ""
    return (
        f"outputs differ from the source model's: max error {check.max_abs_error:.3g}"
        f" of {check.max_reference:.3g}, cosine {check.cosine:.6f}"
    )


def check_missing(case: Case, _: float) -> str:
    sent = case.spec.golden is not None and case.spec.golden.samples > 0
    return "the outputs were not compared on the device" if sent and case.job.check is None else ""


def check_none(case: Case, _: float) -> str:
    sent = case.spec.golden is not None and case.spec.golden.samples > 0
    return "" if sent or case.job.check is not None else "the outputs could not be compared with anything"


def precision_differs(case: Case, threshold: float) -> str:
    asked, executed = case.asked, case.executed
    if not executed:
        return ""
    if executed not in (asked, case.native) and _RANK.get(executed, 0) <= _RANK.get(asked, 0):
        return f"asked for {asked}, executed in {executed} ({_operators(case)})"
    return f"asked for {asked}; {_operators(case)}" if _lower_share(case) > threshold else ""


def precision_mixed(case: Case, threshold: float) -> str:
    within = 0 < _lower_share(case) <= threshold
    return f"asked for {case.asked}; {_operators(case)}" if within else ""


def precision_native(case: Case, _: float) -> str:
    if case.native != case.executed or case.executed in ("", case.asked):
        return ""
    return f"asked for {case.asked}; the model itself is {case.native} and ran so"


def precision_higher(case: Case, _: float) -> str:
    asked, executed = case.asked, case.executed
    higher = asked in _RANK and executed in _RANK and _RANK[executed] > _RANK[asked]
    return f"weights {asked}, computed in {executed}" if higher else ""


def precision_unproven(case: Case, _: float) -> str:
    return "" if case.executed else f"{case.spec.runtime} does not tell which precision ran"


def _lower_share(case: Case) -> float:
    """Share of the operators that ran in a reduced float below the precision asked for."""
    operators = case.job.proof.operators if case.job.proof else {}
    total = sum(count for name, count in operators.items() if name != "other")
    asked = _RANK.get(case.asked, 0)
    reduced = [name for name in _REDUCED_FLOATS if _RANK[name] < asked and name != case.native]
    lower = sum(operators.get(name, 0) for name in reduced)
    return lower / total if total else 0.0


def _operators(case: Case) -> str:
    operators = case.job.proof.operators if case.job.proof else {}
    counts = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    return "operators: " + ", ".join(f"{count} {name}" for name, count in counts)


def throttled(case: Case, _: float) -> str:
    before, after = (_throttle_counts(case, when) for when in ("before", "after"))
    moved = [name for name, value in sorted(after.items()) if name in before and value > before[name]]
    return f"{', '.join(moved[:3])} rose while measuring" if moved else ""


def _throttle_counts(case: Case, when: str) -> dict[str, float]:
    """Counters and the states of coolers that slow something down; a fan's state is no throttling."""
    part = case.job.environment.get(when)
    counts = part.get("throttle", {}) if isinstance(part, Mapping) else {}
    slowing = ("throttle_count", "Processor", "cpufreq", "devfreq", "cpu-", "gpu-")
    return {
        str(name): float(value)
        for name, value in (counts.items() if isinstance(counts, Mapping) else ())
        if isinstance(value, (int, float)) and any(word in str(name) for word in slowing)
    }


def unsteady(case: Case, _: float) -> str:
    count = sum(not block.steady for block in case.job.blocks)
    return f"{count} of {len(case.job.blocks)} processes were not steady after their warm-up" if count else ""


def drifting(case: Case, threshold: float) -> str:
    drift = case.latency.drift
    if drift is None or drift <= threshold:
        return ""
    return f"a process ended at least {drift - 1:.1%} slower than it began"


def spread(case: Case, threshold: float) -> str:
    value = case.latency.between_block_spread
    return f"medians of the processes lie {value:.1%} apart" if value and value > threshold else ""


def interval_missing(case: Case, threshold: float) -> str:
    if case.latency.p50_low_ns is not None:
        return ""
    least = min((block.count for block in case.job.blocks), default=0)
    return f"a process has {least} samples; an interval of the median needs {threshold:.0f}"


def interval_wide(case: Case, threshold: float) -> str:
    latency = case.latency
    if latency.p50_low_ns is None or latency.p50_high_ns is None or latency.p50_ns <= 0:
        return ""
    half = (latency.p50_high_ns - latency.p50_low_ns) / 2 / latency.p50_ns
    return f"the 95 % interval of the median is ±{half:.1%}" if half > threshold else ""


def pressure(case: Case, threshold: float) -> str:
    worst = max(_pressures(case), default=0.0)
    return f"CPU pressure reached {worst:.0f} %" if worst >= threshold else ""


def _pressures(case: Case) -> Iterator[float]:
    for block in case.job.blocks:
        if block.cpu_pressure_pct is not None:
            yield block.cpu_pressure_pct


def contention(case: Case, threshold: float) -> str:
    ratio = case.latency.median_to_min
    if ratio is None or ratio <= threshold:
        return ""
    return f"in every process the median is at least {ratio:.2f} times the fastest run"


def blocks_missing(case: Case, _: float) -> str:
    got, planned = case.latency.blocks, case.spec.plan.blocks
    return f"{got} of {planned} processes were measured" if got < planned else ""


def capped(case: Case, _: float) -> str:
    short = [block for block in case.job.blocks if block.ended == "cap"]
    if not short:
        return ""
    least = min(block.count for block in short)
    return f"{len(short)} of {len(case.job.blocks)} processes reached their time limit, one with {least} runs"


def timer_cost(case: Case, threshold: float) -> str:
    cost = max((block.timer_cost_ns for block in case.job.blocks), default=0)
    if cost <= threshold * case.latency.p50_ns:
        return ""
    return f"reading the clock takes {cost} ns of {case.latency.p50_ns:.0f} ns"


def emulated(case: Case, _: float) -> str:
    """An ARM program that sees a PC's clock source runs under an emulator on a PC."""
    environment = case.job.environment
    machine, clock = str(environment.get("machine", "")), environment.get("clocksource")
    if environment.get("emulated") or (machine.startswith(("aarch64", "arm")) and clock in _PC_CLOCKS):
        return f"the device runs under emulation ({machine or 'as it says itself'}, clock source {clock})"
    return ""


def one_process(case: Case, _: float) -> str:
    return "one process only: the spread between processes is unknown" if case.latency.blocks == 1 else ""
