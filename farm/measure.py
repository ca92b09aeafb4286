"""How the cells of a run are measured: the scenario with its options, and the plan of its processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from farm.errors import UsageError
from farm_agent.messages.energy import EnergyPlan
from farm_agent.wire import BlockPlan, GatePlan, PinPlan

PROTOCOL = "closed-loop/v1"
# Per scenario: fresh processes and least time of each, of the whole protocol and of a quick look. A process
# of throughput is one point of its curve; ten cold starts bound their median, six are the fewest that do.
FULL = {
    "latency": (5, 10.0),
    "paced": (5, 10.0),
    "throughput": (3, 10.0),
    "sustained": (1, 10.0),
    "cold-start": (10, 1.0),
}
SMOKE = {
    "latency": (3, 3.0),
    "paced": (3, 3.0),
    "throughput": (1, 3.0),
    "sustained": (1, 3.0),
    "cold-start": (6, 0.5),
}
MOST_S = 60.0
# A warm-up takes at most 30 s, and no longer than a process may measure; but two seconds where that is less.
WARMUP_MOST_S, WARMUP_LEAST_MOST_S = 30.0, 2.0
CI_HALF_WIDTH = 0.005
SUSTAINED_S, SUSTAINED_SMOKE_S, SUSTAINED_LEAST_S = 600.0, 60.0, 60.0
LEAST_PERIOD_S, LEAST_PERIODS = 0.0001, 10
PERIOD_S = 1 / 30
# Which scenarios take an option, by the option's name on the command line.
TAKEN_BY = {
    "period": ("paced",),
    "duration": ("sustained", "paced"),
    "streams": ("throughput",),
    "page-cache": ("cold-start",),
}


@dataclass(frozen=True)
class Measure:
    """``gate`` None: measure whatever the device is like. ``energy`` None: no energy windows; ``meters``:
    names of external meters in the inventory's or configuration's words. ``tool``: a native tool's name."""

    scenario: str = "latency"
    scenario_options: Mapping[str, str] = field(default_factory=dict)
    harness: str = "auto"
    gate: GatePlan | None = field(default_factory=GatePlan)
    pins: PinPlan = field(default_factory=PinPlan)
    energy: EnergyPlan | None = None
    meters: tuple[str, ...] = ()
    profile_ops: bool = False
    tool: str = ""


def plan_of(
    *,
    scenario: str = "latency",
    smoke: bool = False,
    blocks: int | None = None,
    min_time_s: float | None = None,
    min_runs: int = 100,
    max_time_s: float | None = None,
) -> BlockPlan:
    """The plan of the processes, with the protocol's values where None is given.

    Raises UsageError scenario.option for times that the scenario has no use for.
    """
    if scenario == "sustained" and (min_time_s is not None or max_time_s is not None):
        raise UsageError(
            "the scenario sustained runs for --duration, not between --min-time and --max-time",
            code="scenario.option",
            fix="say how long with --duration 10m",
        )
    count, least_s = (SMOKE if smoke else FULL).get(scenario, FULL["latency"])
    least_s = least_s if min_time_s is None else min_time_s
    if max_time_s is not None:
        least_s = min(least_s, max_time_s)
    most_s = max(MOST_S, least_s) if max_time_s is None else max_time_s
    return BlockPlan(
        blocks=blocks or count,
        min_time_ns=int(least_s * 1e9),
        min_runs=min_runs,
        max_time_ns=int(most_s * 1e9),
        warmup_min_ns=int(min(1.0, least_s) * 1e9),
        warmup_max_ns=int(min(WARMUP_MOST_S, max(WARMUP_LEAST_MOST_S, most_s)) * 1e9),
        ci_half_width=CI_HALF_WIDTH if scenario == "latency" else 0.0,
    )


def scenario_options(
    scenario: str,
    *,
    smoke: bool = False,
    period_s: float | None = None,
    duration_s: float | None = None,
    streams: Sequence[int] = (),
    page_cache: str = "",
) -> dict[str, str]:
    """The options as the agent's scenario reads them.

    Raises UsageError scenario.unknown, and scenario.option for one that the scenario does not take or
    cannot use.
    """
    if scenario not in FULL:
        raise UsageError(
            f"no scenario is called {scenario!r}",
            code="scenario.unknown",
            fix=f"choose one of {', '.join(FULL)}",
        )
    given = {"period": period_s, "duration": duration_s, "streams": streams, "page-cache": page_cache}
    for name, value in given.items():
        if value not in (None, (), "") and scenario not in TAKEN_BY[name]:
            raise UsageError(
                f"--{name} says nothing to the scenario {scenario}",
                code="scenario.option",
                fix=f"add --scenario {TAKEN_BY[name][0]}, or leave --{name} out",
            )
    _refuse_short(scenario, period_s, duration_s)
    options: dict[str, str] = {}
    if scenario == "sustained":
        duration_s = duration_s or (SUSTAINED_SMOKE_S if smoke else SUSTAINED_S)
    for name, seconds in (("period", period_s), ("duration", duration_s)):
        if seconds is not None:
            options[f"{name}_ns"] = str(round(seconds * 1e9))
    if streams:
        options["streams"] = ",".join(str(count) for count in streams)
    if page_cache:
        options["page_cache"] = page_cache
    return options


def conditions(measure: Measure) -> dict[str, str]:
    """What makes numbers of the same scenario numbers of different things: its options that are not the usual
    ones (``throughput.streams``: "1,8"), and a native tool. Part of the series; empty for a usual run."""
    from farm_results import conditions as asked

    found = asked.conditions(measure.scenario, measure.scenario_options)
    return {**found, "tool": measure.tool} if measure.tool else found


def _refuse_short(scenario: str, period_s: float | None, duration_s: float | None) -> None:
    if period_s is not None and period_s < LEAST_PERIOD_S:
        raise UsageError(
            f"a period of {period_s * 1e3:g} ms is shorter than a sleeping process can keep",
            code="scenario.option",
            fix="give at least --period 0.1ms, or measure back to back with --scenario latency",
        )
    if duration_s is None:
        return
    least_s = SUSTAINED_LEAST_S if scenario == "sustained" else LEAST_PERIODS * (period_s or PERIOD_S)
    if duration_s < least_s:
        what = "six bins of 10 s" if scenario == "sustained" else f"{LEAST_PERIODS} periods"
        raise UsageError(
            f"--duration {duration_s:g}s is too short for {scenario}: it has no {what}",
            code="scenario.option",
            fix=f"give at least --duration {_seconds(least_s)}",
        )


def _seconds(value_s: float) -> str:
    return f"{value_s:g}s" if value_s >= 1 else f"{value_s * 1e3:.0f}ms"
