"""Clocks that step, processes that stand still, settings that change, and what the device is."""

from __future__ import annotations

from farm_results.evidence import Case, above, listed
from farm_results.statistics.outliers import stall_limit_ns

_PC_CLOCKS = ("tsc", "hpet", "acpi_pm", "kvm-clock")


def clock_stepped(case: Case, threshold: float) -> str:
    text = "the device's time of day was set, by {:.0f} ms"
    return above(case, threshold, lambda seen: _ms(seen.clock_step_ns), text)


def suspended(case: Case, threshold: float) -> str:
    return above(
        case, threshold, lambda seen: _ms(seen.suspended_ns), "the device was suspended for {:.0f} ms"
    )


def _ms(value_ns: int | None) -> float | None:
    return None if value_ns is None else abs(value_ns) / 1e6


def frozen(case: Case, threshold: float) -> str:
    """Found stopped by a read, or a run (or a pause between two) far longer than all else."""
    stopped = sum(seen.stopped_reads for seen in case.observed())
    longest = max(
        (
            one.longest_stall_ns
            for one in case.outliers
            if one.longest_stall_ns > stall_limit_ns(one.median_row_ns, threshold * 1e9)
        ),
        default=0.0,
    )
    parts = [f"{stopped} reads found the measured process stopped"] if stopped else []
    parts += [f"it stood still for {longest / 1e6:.0f} ms"] if longest else []
    return ", ".join(parts)


def governor_changed(case: Case, _: float) -> str:
    changes = [change for seen in case.observed() for change in seen.governors]
    return f"the governor changed: {listed(changes)}" if changes else ""


def charger_changed(case: Case, _: float) -> str:
    changes = [seen.charger for seen in case.observed() if seen.charger]
    return f"the charger's state changed: {listed(changes)}" if changes else ""


def drifted(case: Case, _: float) -> str:
    """Another kernel, runtime or firmware than the one that was accepted."""
    return f"the device changed: {listed(list(case.drift), 6)}" if case.drift else ""


def emulated(case: Case, _: float) -> str:
    """What the agent found out, or an ARM program that sees a PC's clock source."""
    environment = case.job.environment
    machine, clock = str(environment.get("machine", "")), environment.get("clocksource")
    if environment.get("emulated"):
        return f"EMULATED: {environment['emulated']}; outputs can be trusted, times cannot"
    if machine.startswith(("aarch64", "arm")) and clock in _PC_CLOCKS:
        return f"EMULATED: {machine} with the clock source {clock}; outputs can be trusted, times cannot"
    return ""


def sensor_problems(case: Case, _: float) -> str:
    problems = [problem for seen in case.observed() for problem in seen.problems]
    return listed(problems, 2)
