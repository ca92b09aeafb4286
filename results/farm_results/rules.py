"""The table of rules: what makes a number less than valid, from when on, and what to do about it.

Thresholds are the protocol's where it names one; the others lie well above what a quiet device shows and
well below what a disturbance does. docs/verdicts.md shows the same table.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from farm_results.evidence import (
    Case,
    cpu,
    dataset,
    device,
    memory,
    outputs,
    precision,
    processes,
    protocol,
    scenario,
    throttle,
)

NOTE, NOISY, THROTTLED, INVALID = "note", "noisy", "throttled", "invalid"


@dataclass(frozen=True)
class Rule:
    """``see(case, threshold)`` returns the evidence or "". ``when`` says the same for people. It does not
    hold for the scenarios in ``not_for``; ``tools``: it also holds for what a native tool measured."""

    code: str
    severity: str
    threshold: float
    see: Callable[[Case, float], str]
    when: str
    next_step: str
    not_for: tuple[str, ...] = ()
    tools: bool = False


_END_LOAD = "end other load on the device (top), then measure again"
_COOL = "cool the device or give it a better power supply, then measure again"
_AGAIN = "measure again"
# Scenarios that use more CPUs than there are, on purpose; in which times differ, on purpose; with few runs.
_CROWDED = ("throughput",)
_UNEVEN = ("throughput", "paced", "sustained", "cold-start")
_FEW = ("cold-start",)
_LONG = ("sustained",)

# fmt: off
RULES: tuple[Rule, ...] = (
    Rule("samples.count", INVALID, 0, outputs.count_differs,
         "the samples that arrived are not as many as the device says it took",
         "measure again; if it stays, report it"),
    Rule("check.failed", INVALID, 0, outputs.check_failed,
         "the outputs on the device differ from the source model's beyond the tolerance",
         "do not use this number; try another runtime or precision, and report the model to the runtime",
         tools=True),
    Rule("check.missing", INVALID, 0, outputs.check_missing,
         "golden outputs were sent, and no comparison came back",
         "measure again; if it stays, report it: the agent must compare before it measures"),
    Rule("check.none", NOTE, 0, outputs.check_none,
         "no golden outputs travelled with the artifact, so nothing shows that it computes the right thing",
         "check the artifact's outputs yourself before you rely on it", tools=True),
    Rule("accuracy.miscounted", INVALID, 0, dataset.miscounted,
         "the hits that the device counted are not those of the outputs that it sent",
         "measure again; if it stays, check the device's memory, and report it"),
    Rule("accuracy.unusable", INVALID, 0, dataset.unusable,
         "what the device answered on the data set cannot be compared with the source model's answers",
         "try another runtime or precision; with a metric of your own, run it alone first"),
    Rule("accuracy.not-finite", NOTE, 0, dataset.not_finite,
         "samples of the data set gave NaN or infinity where the source model does not; those with NaN count"
         " as wrong",
         "use a precision with a larger range, or leave the layers that overflow in floats (--exclude)"),
    Rule("precision.differs", INVALID, 0.10, precision.differs,
         "most operators, or more than 10 % of them, ran in a lower or another precision than asked for",
         "pin the precision in the profile's target, or ask for the one that runs", tools=True),
    Rule("precision.mixed", NOTE, 0.10, precision.mixed,
         "up to 10 % of the operators ran in a lower precision than asked for",
         "look at the operators in `farm results show --json`; pin the precision if it matters", tools=True),
    Rule("precision.unkept", INVALID, 0, precision.unkept,
         "nothing of the artifact runs, or is stored, in the precision asked for",
         "use a runtime that has such kernels on this device, or measure the precision that runs",
         tools=True),
    Rule("precision.partial", NOTE, 0.90, precision.partial,
         "less than 90 % of the operators with weights compute (or, for weight-only precisions, of the"
         " weights are stored) in the integers asked for",
         "look at the counts in `farm show`; other operators have no such kernels in this runtime",
         tools=True),
    Rule("calibration.random", NOTE, 0, precision.random_calibration,
         "the ranges of activations were learnt from random numbers, so that the outputs mean nothing",
         "calibrate with real inputs: --calib FOLDER|FILE.npz", tools=True),
    Rule("calibration.same-data", NOTE, 0, precision.same_calibration,
         "the quantiser saw samples of the set that accuracy is counted on, which flatters it",
         "calibrate on other samples than those of --data", tools=True),
    Rule("precision.native", NOTE, 0, precision.native,
         "the source model itself is quantised or in half precision, and ran that way",
         "read the row as the model's own precision", tools=True),
    Rule("precision.higher", NOTE, 0, precision.higher,
         "the weights have the precision asked for, the runtime computed in a higher one",
         "expect no gain in speed from this precision in this runtime on this device", tools=True),
    Rule("precision.unproven", NOTE, 0, precision.unproven,
         "the runtime does not tell which precision ran",
         "compare the size of the error with that of another runtime before you trust the label", tools=True),
    Rule("throttle.seen", THROTTLED, 0, throttle.seen,
         "the device's throttle counters or flags moved while it was measured", _COOL, tools=True),
    Rule("throttle.undervoltage", THROTTLED, 0, throttle.undervoltage,
         "the device reported too low a supply voltage while it was measured",
         "use the power supply and cable that the board's maker names, then measure again", tools=True),
    Rule("throttle.clock", THROTTLED, 0.01, throttle.clock_low,
         "a pinned clock was below 97 % of its target in over 1 % of the reads", _COOL, tools=True),
    Rule("throttle.slower", THROTTLED, 1.03, throttle.slowed_by_heat,
         "runs became over 3 % slower within a process (last quarter surely over the first, or a robust slope"
         " with p < 0.01 over all processes) while the device became 3 °C warmer or its clock fell", _COOL,
         not_for=_LONG),
    Rule("latency.drift", NOISY, 1.03, throttle.slowed,
         "runs became over 3 % slower within a process (last quarter surely over the first, or a robust slope"
         " with p < 0.01 over all processes), and no sensor tells why",
         "the device heats up, loses its clock or got other work: let it cool, and measure again",
         not_for=_LONG),
    Rule("latency.settling", NOISY, 1.03, throttle.settling,
         "the first quarter of a process surely took over 3 % longer per run than its last quarter",
         "other load ended meanwhile, or the warm-up was too short: measure again"),
    Rule("clock.varies", NOISY, 0.01, throttle.clock_varies,
         "a clock that nothing pinned was below 97 % of its highest in over 1 % of the reads",
         "pin it: farm bench --pin governor=performance (and --pin turbo=off)", tools=True),
    Rule("governor.changed", NOISY, 0, device.governor_changed,
         "the governor of a clock was changed while it was measured",
         "find what changes it (power profiles, tuned, cpupower), then measure again", tools=True),
    Rule("charger.changed", NOISY, 0, device.charger_changed,
         "the charger was plugged in or out, or began or ended to charge",
         "keep it as it is, and measure again", tools=True),
    Rule("clock.stepped", NOISY, 10.0, device.clock_stepped,
         "the time of day was set by 10 ms or more while it was measured",
         "let the device's clock settle (timedatectl), then measure again", tools=True),
    Rule("device.suspended", NOISY, 10.0, device.suspended,
         "the device slept while it was measured", "forbid it to suspend, then measure again", tools=True),
    Rule("process.frozen", NOISY, 0.25, device.frozen,
         "the measured process was found stopped, or one run or a pause between two took over 0.25 s (and"
         " over half a median run) more than the median run",
         "find what stops it (a debugger, a freezer, a paused virtual machine), then measure again"),
    Rule("warmup.unsteady", NOISY, 0, processes.unsteady,
         "a process was not steady when its warm-up ended",
         "end other load on the device; a longer warm-up helps where clocks rise slowly", not_for=_FEW),
    Rule("processes.differ", NOISY, 0.05, processes.spread,
         "the medians of the processes lie over 5 % apart",
         "end other load on the device, or measure with more processes", not_for=_FEW),
    Rule("interval.none", NOISY, 6, processes.interval_missing,
         "a process has fewer than the 6 samples that a 95 % interval of the median needs",
         "allow the job more time", not_for=_FEW),
    Rule("interval.wide", NOISY, 0.05, processes.interval_wide,
         "half the width of the median's 95 % interval is over 5 % of the median",
         "end other load on the device, or allow the job more time", not_for=_FEW),
    Rule("interval.unmet", NOTE, 0, processes.interval_unmet,
         "a process reached its time limit before the interval of its median was as narrow as asked for",
         "end other load on the device, or allow the job more time (--max-time)", not_for=_FEW),
    Rule("cpu.pressure", NOISY, 5.0, cpu.pressure,
         "programs waited for a CPU for 5 % of the time or more", _END_LOAD, not_for=_CROWDED),
    Rule("cpu.shared", NOISY, 25.0, cpu.shared,
         "other programs used 25 % of one CPU or more, on whichever CPU", _END_LOAD, tools=True),
    Rule("cpu.waited", NOISY, 5.0, cpu.waited,
         "the measured process waited for a CPU for 5 % of its time or more, per thread", _END_LOAD,
         not_for=_CROWDED),
    Rule("cpu.stolen", NOISY, 5.0, cpu.stolen,
         "the hypervisor gave 5 % of one CPU or more to other machines",
         "measure on hardware of your own, or at a quieter time", tools=True),
    Rule("job.foreign", NOISY, 0, cpu.foreign_jobs,
         "another measurement or a package installation ran at the same time",
         "wait until it has ended, then measure again", tools=True),
    Rule("contention.heavy", NOISY, 1.5, cpu.contention,
         "in every process the median is over 1.5 times the fastest run",
         "something else uses the device: find it (top), then measure again", not_for=_UNEVEN),
    Rule("contention.suspect", NOTE, 1.15, cpu.contention,
         "in every process the median is over 1.15 times the fastest run",
         "look for other load on the device (top); models whose work depends on the input do this too",
         not_for=_UNEVEN),
    Rule("memory.swapping", NOISY, 256.0, memory.swapping,
         "256 pages (1 MB) or more went to or came from swap during a process",
         "end programs that hold memory, then measure again", tools=True),
    Rule("memory.swapped", NOISY, 1e6, memory.swapped_out,
         "1 MB or more of the measured process lay in swap",
         "end programs that hold memory, then measure again"),
    Rule("memory.pressure", NOISY, 1.0, memory.pressure,
         "programs waited for memory for 1 % of the time or more",
         "end programs that hold memory, then measure again", tools=True),
    Rule("memory.faults", NOISY, 0.01, memory.faults,
         "pages came back from disk more often than in every hundredth run (and more than ten times)",
         "free memory on the device, so that the model stays in it", not_for=_FEW),
    Rule("paced.unserved", NOISY, 0, scenario.unserved,
         "a paced process reached its time limit with part of its schedule never served",
         "the device cannot keep this cadence: give a longer --period"),
    Rule("cold.page-cache", NOISY, 0, scenario.page_cache,
         "files of the model or the runtime lay otherwise in the page cache than a cold start asked for",
         "end other programs that have the runtime loaded; as another user than the files' owner, the kernel"
         " does not tell"),
    Rule("blocks.missing", NOISY, 0, processes.missing,
         "fewer processes were measured than planned", _AGAIN),
    Rule("job.cut-short", NOTE, 0, processes.cut_short,
         "the job was stopped after its last process, so that what was to follow (energy, layers, accuracy)"
         " is missing or incomplete", _AGAIN),
    Rule("block.capped", NOTE, 0, processes.capped,
         "a process reached its time limit before it had the runs it wanted",
         "allow the job more time if you need the percentiles", not_for=_UNEVEN),
    Rule("gate.failed", NOISY, 0, protocol.gate_failed,
         "a process was measured although the device was not ready",
         "do what the check says, then measure again"),
    Rule("gate.warm", NOTE, 0, protocol.warm_start,
         "a process began warmer than the idle device, after the longest wait for it to cool",
         "give the device a longer rest or better cooling before you compare it with a cold one",
         not_for=_LONG),
    Rule("gate.off", NOTE, 0, protocol.gate_off,
         "nothing waited for a quiet, cool device before the processes", "measure without --no-gate",
         tools=True),
    Rule("pin.failed", NOISY, 0, protocol.pin_failed,
         "something that was to be pinned could not be, so the number lacks the conditions asked for",
         "give the agent the right to set it (farm doctor DEVICE), or leave out the --pin"),
    Rule("pin.unrestored", NOTE, 0, protocol.pin_unrestored,
         "what was pinned could not be set back; the number itself is not touched",
         "set it back on the device (farm doctor DEVICE)"),
    Rule("harness.mixed", NOISY, 0, protocol.loops_differ,
         "some processes were timed by the native loop, others by the Python one",
         "choose one with --harness"),
    Rule("harness.python", NOTE, 500_000, protocol.python_loop,
         "the Python loop timed runs of less than 0.5 ms, so that its own cost shows",
         "use --harness native where the runtime has it, or read such times as an upper bound"),
    Rule("samples.batched", NOTE, 1, protocol.batched,
         "a run is so short that several were timed together; percentiles are those of means",
         "none; the median is right, single slow runs are averaged out"),
    Rule("timer.coarse", NOTE, 0.005, protocol.timer_cost,
         "reading the clock takes over 0.5 % of a run", "read such short times as an upper bound"),
    Rule("sensor.problem", NOTE, 0, device.sensor_problems,
         "a sensor could not be read, so nothing shows what it would have told",
         "look at it with farm doctor DEVICE", tools=True),
    Rule("energy.missing", NOTE, 0, protocol.energy_missing,
         "energy was asked for, and no sensor or meter gave a number that could be taken honestly",
         "look at the device's sensors with farm doctor DEVICE, or name an external meter with --meter",
         tools=True),
    Rule("device.emulated", INVALID, 0, device.emulated,
         "the device runs under emulation, which proves that the outputs are right and nothing about speed",
         "use it to test that things work, and measure on the real device", tools=True),
    Rule("device.drift", NOTE, 0, device.drifted,
         "the device is not what it was when somebody accepted it: its kernel, a runtime, its firmware",
         "compare with earlier numbers only after a look; then take it as right: farm health accept DEVICE",
         tools=True),
    Rule("processes.few", NOTE, 5, processes.few,
         "fewer processes were measured than the protocol's five",
         "for a number to keep, measure with five (without --smoke and --blocks)", not_for=_CROWDED),
    Rule("processes.one", NOTE, 0, processes.one,
         "only one process was measured, so the spread between processes is unknown",
         "measure with three processes or more"),
    Rule("tool.protocol", NOTE, 0, protocol.foreign_tool,
         "a runtime's own tool measured, by its own protocol",
         "compare it only with the same tool's numbers", tools=True),
    Rule("tool.caveat", NOTE, 0, protocol.tool_caveats,
         "the tool's output has limits that the reader must know", "keep them in mind", tools=True),
)
# fmt: on


def rules_markdown() -> str:
    """The rules as a Markdown table, for docs/verdicts.md."""
    lines = ["| code | severity | when | what to do |", "|---|---|---|---|"]
    lines += [f"| `{rule.code}` | {rule.severity} | {_scope(rule)} | {rule.next_step} |" for rule in RULES]
    return "\n".join(lines) + "\n"


def _scope(rule: Rule) -> str:
    return f"{rule.when} (not in {', '.join(rule.not_for)})" if rule.not_for else rule.when
