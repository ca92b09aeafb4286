"""Who else uses the device: other programs, package managers, other virtual machines."""

from __future__ import annotations

from collections.abc import Iterator

from farm.devices.finding import OK, WARN, Finding
from farm_agent.messages.checkup import Surroundings
from farm_agent.messages.gate import GatePlan

# As the verdicts' rules cpu.shared and cpu.stolen have them.
SHARED_PCT = 25.0
STOLEN_PCT = 5.0


def check(name: str, seen: Surroundings) -> Iterator[Finding]:
    """Pressure, programs, package jobs and timers, stolen time."""
    yield _load(name, seen)
    yield _jobs(name, seen)
    if seen.package_timers:
        text = f"may start at any time: {', '.join(seen.package_timers)}"
        fix = f"sudo systemctl disable --now {' '.join(seen.package_timers)}"
        yield Finding(name, "package timers", WARN, text, fix)
    if seen.virtual_machine:
        yield _virtual(name, seen)


def _load(name: str, seen: Surroundings) -> Finding:
    fix = "stop what else runs there; see top(1)"
    waited_pct, others = seen.cpu_pressure_pct, _others(seen)
    used_pct = sum(other.cpu_pct for other in seen.neighbours)
    if waited_pct is None:
        text = f"the kernel tells no pressure (PSI), so load is seen less well{others}"
        return Finding(name, "load", WARN, text, "boot with psi=1 where the kernel has it")
    text = f"tasks waited for a CPU {waited_pct:.0f} % of the last 10 s{others}"
    if waited_pct >= GatePlan().cpu_pressure_pct or used_pct >= SHARED_PCT:
        return Finding(name, "load", WARN, text, fix)
    return Finding(name, "load", OK, text)


def _others(seen: Surroundings) -> str:
    told = [f"{each.name} ({each.pid}, {each.user}) {each.cpu_pct:.0f} %" for each in seen.neighbours[:3]]
    return f"; busy: {', '.join(told)}" if told else ""


def _jobs(name: str, seen: Surroundings) -> Finding:
    if not seen.package_jobs:
        return Finding(name, "other jobs", OK, "no package manager and no other measurement at work")
    text = f"at work now: {', '.join(seen.package_jobs)}"
    return Finding(name, "other jobs", WARN, text, "wait until they have ended; see ps -ef")


def _virtual(name: str, seen: Surroundings) -> Finding:
    text = f"{seen.virtual_machine}: clocks, heat and power of the real machine are not seen"
    if seen.steal_pct is not None and seen.steal_pct >= STOLEN_PCT:
        text = f"{seen.virtual_machine}: others took {seen.steal_pct:.0f} % of a CPU just now"
    fix = "measure on hardware of your own for numbers to publish; results tell of stolen time"
    return Finding(name, "virtual machine", WARN, text, fix)
