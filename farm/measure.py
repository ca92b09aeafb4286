"""How the cells of a run are measured, apart from the plan of their blocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farm_agent.messages.energy import EnergyPlan
from farm_agent.wire import BlockPlan, GatePlan, PinPlan

PROTOCOL = "closed-loop/v1"
# Fresh processes and least time of each: the whole protocol, and a quick look.
FULL = (5, 10.0)
SMOKE = (3, 3.0)
MOST_S = 60.0
CI_HALF_WIDTH = 0.005


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
    smoke: bool = False,
    blocks: int | None = None,
    min_time_s: float | None = None,
    min_runs: int = 100,
    max_time_s: float | None = None,
) -> BlockPlan:
    """The plan of the blocks, with the protocol's values where None is given."""
    count, least_s = SMOKE if smoke else FULL
    least_s = least_s if min_time_s is None else min_time_s
    if max_time_s is not None:
        least_s = min(least_s, max_time_s)
    return BlockPlan(
        blocks=blocks or count,
        min_time_ns=int(least_s * 1e9),
        min_runs=min_runs,
        max_time_ns=int((max(MOST_S, least_s) if max_time_s is None else max_time_s) * 1e9),
        warmup_min_ns=int(min(1.0, least_s) * 1e9),
        ci_half_width=CI_HALF_WIDTH,
    )
