"""The conditions of the gate: two looks at the device, a second apart, give one GateCheck each."""

from __future__ import annotations

import os
from typing import List, Optional, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.gate import GateCheck, GatePlan
from farm_agent.observe_foreign import FARM
from farm_agent.preflight_look import Look

# A background of half a CPU is everyday life; together with the model's threads it must fit the CPUs.
SPARE_CPUS = 0.5
SLOPE_SPAN_S = 10.0
SLOPE_OVER_S = 60.0
# This close to the idle temperature its slope cannot say more.
AS_COLD_AS_IDLE_C = 1.0
NO_GATE = "or measure all the same with --no-gate"


@dataclass(frozen=True)
class Need:
    """What the block is going to need. ``idle_c``: the temperature of the idle device."""

    model_bytes: int
    threads: int
    idle_c: Optional[float] = None


def checks(
    plan: GatePlan, need: Need, before: Look, now: Look, history: Sequence[Tuple[float, float]]
) -> Tuple[GateCheck, ...]:
    """Every condition. ``history``: (seconds, temperature) of the looks so far."""
    return (
        cpu_pressure(plan, need, before, now),
        temperature(plan, need, now, history),
        throttle(now),
        memory(plan, need, now),
        package_jobs(now),
        swap(before, now),
        battery(plan, now),
        other_job(now),
    )


def cpu_pressure(plan: GatePlan, need: Need, before: Look, now: Look) -> GateCheck:
    """Nobody waits for a CPU, and there is room for the model's threads."""
    elapsed_s = max(1e-3, now.time_s - before.time_s)
    limit = plan.cpu_pressure_pct
    pressure = _rate(before.stalled_us, now.stalled_us, elapsed_s * 1e4)
    busy = _rate(before.busy_ticks, now.busy_ticks, elapsed_s * os.sysconf("SC_CLK_TCK"))
    if busy is None and now.runnable is not None:
        busy = float(max(0, now.runnable - 1))
    crowded = busy is not None and busy + need.threads > now.cpus + SPARE_CPUS
    if pressure is None and busy is None:
        return GateCheck("cpu-pressure", passed=True, text="not known: the kernel does not say", limit=limit)
    said = []
    if pressure is not None:
        said.append(f"CPU pressure {pressure:.1f} %")
    if busy is not None and (crowded or pressure is None):
        said.append(f"{busy:.1f} of {now.cpus} CPUs busy, and the model needs {need.threads}")
    passed = not crowded and (pressure is None or pressure < limit)
    names = busiest(before, now, elapsed_s)
    if names and not passed:
        said.append("most of it " + ", ".join(names))
    culprit = names[0].partition(",")[0] + ")" if names else "what else runs there"
    fix = "" if passed else f"stop {culprit}, {NO_GATE}"
    return GateCheck(
        "cpu-pressure", passed=passed, text=", ".join(said), value=pressure, limit=limit, fix=fix
    )


def busiest(before: Look, now: Look, elapsed_s: float) -> List[str]:
    """At most two processes that used more than a tenth of a CPU, the busiest first."""
    ticks = os.sysconf("SC_CLK_TCK") * elapsed_s
    used = []
    for (pid, name), after in now.processes.items():
        share = (after - before.processes.get((pid, name), after)) / ticks
        if share > 0.1 and pid != str(os.getpid()):
            used.append((share, f"{name} ({pid}, {share:.0%} of a CPU)"))
    return [text for _, text in sorted(used, reverse=True)[:2]]


def temperature(plan: GatePlan, need: Need, now: Look, history: Sequence[Tuple[float, float]]) -> GateCheck:
    """As cold as when idle, or nearly; and settled."""
    celsius = now.temperature_c
    limits = [plan.temperature_c, None if need.idle_c is None else need.idle_c + plan.rise_c]
    limit = min((value for value in limits if value is not None), default=None)
    if celsius is None or limit is None:
        return GateCheck("temperature", passed=True, text="not known: no sensor tells it")
    text = f"{celsius:.1f} °C"
    fix = f"wait until it has cooled down, cool it better, {NO_GATE}"
    if celsius > limit:
        text += f", to start it must be at {limit:.1f} °C or below"
        return GateCheck("temperature", passed=False, text=text, value=celsius, limit=limit, fix=fix)
    settled = need.idle_c is None or celsius <= need.idle_c + AS_COLD_AS_IDLE_C
    if not settled:
        change = slope(history)
        settled = change is not None and abs(change) < plan.slope_c_per_min
        text += " and not long enough seen" if change is None else f", changing by {change:+.1f} °C a minute"
    return GateCheck(
        "temperature", passed=settled, text=text, value=celsius, limit=limit, fix="" if settled else fix
    )


def slope(history: Sequence[Tuple[float, float]]) -> Optional[float]:
    """Least-squares slope in °C per minute over the last minute; None before ten seconds were seen."""
    if not history:
        return None
    points = [point for point in history if point[0] >= history[-1][0] - SLOPE_OVER_S]
    if points[-1][0] - points[0][0] < SLOPE_SPAN_S:
        return None
    mean_s = sum(point[0] for point in points) / len(points)
    mean_c = sum(point[1] for point in points) / len(points)
    spread = sum((point[0] - mean_s) ** 2 for point in points)
    return 60.0 * sum((point[0] - mean_s) * (point[1] - mean_c) for point in points) / spread


def throttle(now: Look) -> GateCheck:
    """No throttle or under-voltage flag is set."""
    if not now.throttled:
        return GateCheck("throttle", passed=True, text="no flag set")
    return GateCheck(
        "throttle",
        passed=False,
        text="the device is slowed down: " + ", ".join(now.throttled[:4]),
        fix=f"cool it, and check its power supply, {NO_GATE}",
    )


def memory(plan: GatePlan, need: Need, now: Look) -> GateCheck:
    """Memory for some copies of the model."""
    limit = plan.memory_factor * need.model_bytes
    free = now.available_bytes
    if free is None:
        return GateCheck("memory", passed=True, text="not known: the kernel does not say", limit=limit)
    passed = free > limit
    text = f"{free / 2**20:.0f} MiB free"
    if not passed:
        text += f", {plan.memory_factor:g} times the model are {limit / 2**20:.0f} MiB"
    fix = "" if passed else f"end other programs on the device, use a smaller model, {NO_GATE}"
    return GateCheck("memory", passed=passed, text=text, value=float(free), limit=limit, fix=fix)


def package_jobs(now: Look) -> GateCheck:
    """Nothing is being installed."""
    found = [name for name in now.foreign if not name.startswith(FARM)]
    if not found:
        return GateCheck("package-jobs", passed=True, text="none")
    return GateCheck(
        "package-jobs",
        passed=False,
        text="installing or updating: " + ", ".join(found[:4]),
        value=float(len(found)),
        fix="wait until the installation is over, or give --gate-wait 30m",
    )


def other_job(now: Look) -> GateCheck:
    """No other farm measures here."""
    found = [name for name in now.foreign if name.startswith(FARM)]
    if not found:
        return GateCheck("other-job", passed=True, text="none")
    return GateCheck(
        "other-job",
        passed=False,
        text=f"{found[0]} measures on this device",
        value=float(len(found)),
        fix="wait for the other job, or give --gate-wait 30m",
    )


def swap(before: Look, now: Look) -> GateCheck:
    """Nothing is read back from swap."""
    if before.swapped_in is None or now.swapped_in is None:
        return GateCheck("swap", passed=True, text="not known: the kernel does not say")
    pages = max(0, now.swapped_in - before.swapped_in)
    fix = "" if pages == 0 else f"end other programs on the device, {NO_GATE}"
    text = f"{pages} pages read from swap" if pages else "nothing read from swap"
    return GateCheck("swap", passed=pages == 0, text=text, value=float(pages), limit=0.0, fix=fix)


def battery(plan: GatePlan, now: Look) -> GateCheck:
    """The battery, where there is one, is not about to make the device save power."""
    if now.battery is None:
        return GateCheck("battery", passed=True, text="no battery")
    level, limit = now.battery.level_pct, plan.battery_pct
    status = now.battery.status or "state not known"
    if now.battery.saving:
        fix = f"switch the phone's battery saver off, {NO_GATE}"
        return GateCheck("battery", passed=False, text="the battery saver is on", limit=limit, fix=fix)
    if level is None:
        return GateCheck("battery", passed=True, text=f"level not known, {status}", limit=limit)
    feeding = now.plugged is True or now.battery.status in ("charging", "full", "not charging")
    passed = level >= limit or feeding
    fix = "" if passed else f"plug the charger in, {NO_GATE}"
    return GateCheck(
        "battery", passed=passed, text=f"{level} %, {status}", value=float(level), limit=limit, fix=fix
    )


def _rate(before: Optional[int], now: Optional[int], per: float) -> Optional[float]:
    return None if before is None or now is None else max(0, now - before) / per
