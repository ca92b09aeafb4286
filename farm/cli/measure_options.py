"""The options of ``farm bench`` that say how to measure: protocol, scenario, pinning, energy, layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from farm.cli.duration import Duration
from farm.cli.types import CommaInts, CommaList, list_option
from farm_agent import scenarios, tools

if TYPE_CHECKING:
    from farm.measure import Measure
    from farm_agent.wire import BlockPlan

F = Callable[..., Any]

_BLOCKS = (
    click.option("--smoke", is_flag=True, help="A quick look: 3 processes of 3 s instead of 5 of 10 s."),
    click.option("--blocks", type=click.IntRange(1, 100), help="Fresh processes; default 5, smoke 3."),
    click.option("--min-time", type=Duration(), help="Least time per process; default 10s, smoke 3s."),
    click.option(
        "--min-runs", type=click.IntRange(1), default=100, show_default=True, help="Least inferences."
    ),
    click.option("--max-time", type=Duration(), help="Most time per process; default 60s."),
)
_SCENARIO = (
    click.option(
        "--scenario",
        type=click.Choice(scenarios.names()),
        default="latency",
        show_default=True,
        help="What to measure; see docs/measurement.md.",
    ),
    click.option(
        "--period", type=Duration(), help="paced: time between two scheduled starts; default 33.3ms."
    ),
    click.option("--duration", type=Duration(), help="sustained, paced: how long; sustained: default 10m."),
    list_option("--streams", kind=CommaInts(), metavar="N,M", text="throughput: inferences at a time."),
    click.option(
        "--page-cache",
        type=click.Choice(("warm", "cold")),
        help="cold-start: state of the files in memory; default warm.",
    ),
)
_CARE = (
    click.option(
        "--harness",
        type=click.Choice(("auto", "native", "python")),
        default="auto",
        show_default=True,
        help="The timed loop: native C, pre-bound Python, or native where possible.",
    ),
    click.option(
        "--pin",
        multiple=True,
        metavar="WHAT=VALUE",
        help="governor=, turbo=off, power-mode=N, clocks=max, affinity=, fixed-performance=on; "
        "restored afterwards. Repeatable.",
    ),
    click.option("--gate/--no-gate", default=True, help="Wait for a quiet, cool device; default: yes."),
    click.option(
        "--gate-wait", type=Duration(), default="60s", show_default=True, help="How long to wait for quiet."
    ),
    click.option("--energy", is_flag=True, help="Also measure energy per inference (30 s or more)."),
    click.option(
        "--energy-window", type=Duration(), help="Least length of the energy window; default and least 30s."
    ),
    list_option("--meter", kind=CommaList(), metavar="NAME", text="External power meters (docs/power.md)."),
    click.option("--profile-ops", is_flag=True, help="Also time every layer, in a process of its own."),
)
_TOOL = (
    click.option(
        "--tool",
        type=click.Choice(tools.names()),
        help="Measure with the runtime's own tool instead; see docs/tools.md.",
    ),
)

LATENCY: Mapping[str, Any] = {
    "scenario": "latency",
    "period": None,
    "duration": None,
    "streams": (),
    "page_cache": None,
    "tool": None,
}


def measure_options(function: F) -> F:
    """Add the options; their values arrive under their names."""
    return _with((*_BLOCKS, *_SCENARIO, *_CARE, *_TOOL), function)


def latency_options(function: F) -> F:
    """Add those of the scenario latency alone; ``LATENCY`` has the values of the others."""
    return _with((*_BLOCKS, *_CARE), function)


def _with(options: Sequence[Callable[[F], F]], function: F) -> F:
    for option in reversed(options):
        function = option(function)
    return function


def block_plan(values: Mapping[str, Any]) -> BlockPlan:
    """The plan that the options ask for. Raises click.BadParameter."""
    from farm.measure import plan_of

    least_s, most_s = values["min_time"], values["max_time"]
    if most_s is not None and least_s is not None and most_s < least_s:
        raise click.BadParameter("it is less than --min-time", param_hint="--max-time")
    return plan_of(
        scenario=values["scenario"],
        smoke=values["smoke"],
        blocks=values["blocks"],
        min_time_s=least_s,
        min_runs=values["min_runs"],
        max_time_s=most_s,
    )


def measure_of(values: Mapping[str, Any]) -> Measure:
    """How to measure, out of the options' values. Raises click.BadParameter."""
    from farm.measure import Measure, scenario_options
    from farm_agent.messages.energy import EnergyPlan
    from farm_agent.wire import GatePlan

    meters = tuple(values["meter"])
    window_s = values["energy_window"]
    if window_s is not None and window_s < 30.0:
        raise click.BadParameter("energy needs a window of at least 30 s", param_hint="--energy-window")
    energy = None
    if values["energy"] or meters or window_s is not None:
        energy = EnergyPlan(window_ns=int((window_s or 30.0) * 1e9), signature=bool(meters))
    return Measure(
        scenario=values["scenario"],
        scenario_options=scenario_options(
            values["scenario"],
            smoke=values["smoke"],
            period_s=values["period"],
            duration_s=values["duration"],
            streams=values["streams"],
            page_cache=values["page_cache"] or "",
        ),
        harness=values["harness"],
        gate=GatePlan(max_wait_s=values["gate_wait"]) if values["gate"] else None,
        pins=_pins(values["pin"]),
        energy=energy,
        meters=meters,
        profile_ops=values["profile_ops"],
        tool=values["tool"] or "",
    )


def _pins(words: tuple[str, ...]) -> Any:  # noqa: ANN401 - PinPlan, imported on use
    from farm_agent.wire import PinPlan

    known = {"governor", "turbo", "power-mode", "clocks", "affinity", "fixed-performance"}
    chosen = {}
    for word in words:
        name, mark, value = word.partition("=")
        if name not in known or not mark or not value:
            raise click.BadParameter(
                f"{word!r}: expected one of {', '.join(sorted(known))}, then = and a value",
                param_hint="--pin",
            )
        chosen[name.replace("-", "_")] = value
    return PinPlan(**chosen)
