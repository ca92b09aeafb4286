"""What a job of a scenario does and how long it takes, for people and for time limits."""

from __future__ import annotations

from dataclasses import dataclass

from farm.measure import Measure
from farm_agent.scenarios import paced, sustained
from farm_agent.wire import BlockPlan, JobSpec

# Start of a process, import, load, and the check before: seconds on a PC, more on a board.
START_S = 1.5
CHECK_S = 3.0
# The least time in which the gate sees that a device is quiet.
GATE_S = 1.0
# What the standard plan's longest process takes; the profile's time limit is meant for that.
USUAL_S = 90.0
COUNTED_STREAMS = 3


@dataclass(frozen=True)
class Outline:
    """``text``: one sentence; ``least_s`` and ``most_s``: one job, without conversion, shipping, slow
    loads, and waiting for a quiet or cool device."""

    text: str
    least_s: float
    most_s: float


def outline(plan: BlockPlan, measure: Measure) -> Outline:
    """Of one job. Raises JobError scenario.option."""
    least_s, most_s = process_s(plan, measure)
    count = 1 if measure.tool else plan.blocks * _points(measure)
    extra_s = CHECK_S + _energy_s(measure)
    start_s = START_S + (GATE_S if measure.gate else 0.0)
    return Outline(
        _text(plan, measure), count * (least_s + start_s) + extra_s, count * (most_s + start_s) + extra_s
    )


def process_s(plan: BlockPlan, measure: Measure | JobSpec) -> tuple[float, float]:
    """(least, most) seconds that one process warms up and measures."""
    warm = (plan.warmup_min_ns, plan.warmup_max_ns)
    if measure.scenario == "sustained":
        duration_ns, _ = sustained.lengths(measure.scenario_options)
        return duration_ns / 1e9, duration_ns / 1e9
    least_ns, most_ns = plan.min_time_ns, max(plan.min_time_ns, plan.max_time_ns)
    if measure.scenario == "paced":
        least_ns, most_ns = paced.span(measure.scenario_options, plan)
    if measure.scenario == "cold-start":
        least_ns = min(least_ns, 1_000_000_000)
    return (warm[0] + least_ns) / 1e9, (warm[1] + most_ns) / 1e9


def timeout_s(limit_s: float, plan: BlockPlan, measure: Measure) -> float:
    """The time limit of one process: the profile's, and what the scenario takes longer than usual."""
    return limit_s + max(0.0, process_s(plan, measure)[1] - USUAL_S)


def patience_s(spec: JobSpec) -> float:
    """How long a driver waits for a job's end before it asks the agent to stop it."""
    from farm_agent import scenarios

    processes = len(scenarios.load(spec.scenario).points(spec)) + 2
    waiting_s = spec.gate.max_wait_s + spec.gate.cooldown_max_s if spec.gate else 0.0
    energy_s = spec.process_timeout_s + _energy_s(spec) if spec.energy else 0.0
    layers_s = 2 * spec.process_timeout_s if spec.profile_ops else 0.0
    return processes * (spec.process_timeout_s + waiting_s) + energy_s + layers_s + 60.0


def _points(measure: Measure) -> int:
    """Processes per block of the plan; how many cores a device has is not known before it is asked."""
    if measure.scenario != "throughput":
        return 1
    streams = measure.scenario_options.get("streams", "")
    return len(streams.split(",")) if streams else COUNTED_STREAMS


def _energy_s(measure: Measure | JobSpec) -> float:
    energy = measure.energy
    if energy is None:
        return 0.0
    signature_s = 12 * energy.burst_ns / 1e9 if energy.signature else 0.0
    return (energy.window_ns + 2 * energy.idle_ns) / 1e9 + signature_s


def _text(plan: BlockPlan, measure: Measure) -> str:
    if measure.tool:
        return f"{measure.tool} measures, by its own protocol, once per job"
    processes = f"{plan.blocks} fresh process{'es' * (plan.blocks != 1)}"
    least = f"at least {plan.min_time_ns / 1e9:g} s and {plan.min_runs} inferences"
    options = measure.scenario_options
    if measure.scenario == "paced":
        period_ns, count = paced.cadence(options, plan)
        return (
            f"paced: an inference is due every {period_ns / 1e6:.4g} ms and timed from then; {processes} per "
            f"job, each warmed up at that cadence, then {count} inferences"
        )
    if measure.scenario == "sustained":
        duration_ns, bin_ns = sustained.lengths(options)
        return (
            f"sustained: {processes} per job, back to back from cold for {duration_ns / 60e9:g} min, "
            f"in bins of {bin_ns / 1e9:g} s"
        )
    if measure.scenario == "throughput":
        streams = options.get("streams", "1,2,4… up to its cores")
        return (
            f"throughput: streams {streams}; {processes} per job and number of streams, each warmed up until "
            f"steady, then {least}"
        )
    if measure.scenario == "cold-start":
        return (
            f"cold-start, page cache {options.get('page_cache', 'warm')}: {processes} per job, each from "
            f"import to first inference, then a short block"
        )
    return f"latency, {processes} per job, each warmed up until steady, then {least}"
