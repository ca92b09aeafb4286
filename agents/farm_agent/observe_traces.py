"""What the sensors' values over a block mean: clocks below their target, temperatures, throttling."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Collection, Dict, Iterable, List, Optional, Sequence, Tuple

from farm_agent import observe_proc, sysfs
from farm_agent.late import dataclass
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Channel, Trace
from farm_agent.record import NO_VALUE

LOW = 0.97
# Drivers whose highest frequency is a boost that no load holds: a pinned governor is no target there.
BOOSTING = ("intel_pstate", "intel_cpufreq", "amd-pstate", "amd-pstate-epp", "acpi-cpufreq", "amd_pstate")
CPU_ZONES = re.compile(
    r"x86_pkg|cpu|core|k10temp|soc|tj|gpu|npu|tctl|tdie|bcm2|package|big|little", re.IGNORECASE
)
FLAG_NAMES = ("under-voltage", "frequency-capped", "throttled", "soft-temperature-limit")
NOW_BITS, EVER_SHIFT = 0xF, 16


@dataclass(frozen=True)
class Clocks:
    """Which frequency policies matter, and the highest frequency they showed so far or are pinned to."""

    policies: Tuple[str, ...] = ()
    highest_khz: int = 0


def clocks_of(cpus: Iterable[int], root: Path = Path("/")) -> Clocks:
    """Policies of these CPUs. The target starts at the pinned frequency where there is one."""
    wanted, found, pinned = set(cpus), [], 0
    for folder in sorted((root / "sys/devices/system/cpu/cpufreq").glob("policy*")):
        words = (sysfs.text(folder / "affected_cpus") or "").split()
        cpus_of_policy = {observe_proc.whole(word) for word in words}
        if words and not wanted & cpus_of_policy:
            continue
        found.append(folder.name)
        driver = sysfs.text(folder / "scaling_driver", 64) or ""
        if sysfs.text(folder / "scaling_governor", 64) == "performance" and driver not in BOOSTING:
            pinned = max(pinned, sysfs.number(folder / "scaling_max_freq") or 0)
    return Clocks(tuple(found), pinned)


def summarise(
    observed: Observed, traces: Sequence[Trace], clocks: Clocks, unavailable: Iterable[Tuple[str, str]] = ()
) -> Tuple[Observed, Clocks]:
    """``observed`` with what the sensors add, and the target for the next block of this job."""
    low_share, lowest, highest = _low_share(traces, clocks)
    start_c, max_c = _temperatures(traces)
    problems = list(observed.problems)
    answering = {trace.sensor for trace in traces if trace.values}
    problems += [f"{name}: {why}" for name, why in unavailable]
    problems += [
        f"{trace.sensor} {trace.channel.name}: {trace.missed} reads without a value: {trace.problem}"
        for trace in traces
        if trace.missed and not _is_off(trace, answering)
    ]
    told = replace(
        observed,
        clock_low_share=low_share,
        clock_lowest_khz=lowest,
        clock_target_khz=highest or None,
        temperature_start_c=start_c,
        temperature_max_c=max_c,
        flags=tuple(flags_of(traces)),
        problems=tuple(problems[:20]),
    )
    return told, replace(clocks, highest_khz=max(clocks.highest_khz, highest))


def _is_off(trace: Trace, answering: Collection[str]) -> bool:
    """Whether its sensor answered all the time and never had a value for it: the unit is switched off."""
    return trace.sensor in answering and not trace.values and trace.problem == NO_VALUE


def flags_of(traces: Sequence[Trace]) -> List[str]:
    """Names of throttle signals that were set at any read, and of counters that grew."""
    found: List[str] = []
    for trace in traces:
        name, values = f"{trace.sensor}:{trace.channel.name}", trace.values
        if not values:
            continue
        kind = trace.channel.kind
        growing = kind in ("throttle_count", "throttle_time_ms") and values[-1] != values[0]
        if growing or (kind == "throttle_state" and max(values) > 0):
            found.append(name)
        if kind == "flags":
            found += [f"{name}:{flag}" for flag in _bits(values)]
    return found


def flags_now(values: Dict[Channel, float]) -> List[str]:
    """Names of throttle signals that are set in one reading; counters tell nothing by themselves."""
    found: List[str] = []
    for channel, value in values.items():
        if channel.kind == "throttle_state" and value > 0:
            found.append(channel.name)
        elif channel.kind == "flags":
            found += [f"{channel.name}:{flag}" for flag in _names(int(value) & NOW_BITS)]
    return found


def hottest_c(named: Iterable[Tuple[str, float]]) -> Optional[float]:
    """The highest temperature of processor zones; of all zones where none is called like one."""
    zones = list(named)
    chosen = [value for name, value in zones if CPU_ZONES.search(name)] or [value for _, value in zones]
    return max(chosen) if chosen else None


def _bits(values: Sequence[float]) -> List[str]:
    """Bits 0 to 3 are now, 16 to 19 since boot: one of those that appears was an event between two reads."""
    seen = 0
    first = int(values[0]) >> EVER_SHIFT
    for value in values:
        seen |= int(value) & NOW_BITS
        seen |= (int(value) >> EVER_SHIFT) & NOW_BITS & ~first
    return _names(seen)


def _names(bits: int) -> List[str]:
    return [name for at, name in enumerate(FLAG_NAMES) if bits >> at & 1]


def _low_share(traces: Sequence[Trace], clocks: Clocks) -> Tuple[Optional[float], Optional[int], int]:
    """(share of reads below 97 % of the target, lowest, highest). The fastest of the policies counts at each
    read: the others may idle. A height that a single read shows is no target."""
    reads: Dict[int, float] = {}
    for trace in traces:
        wanted = not clocks.policies or trace.channel.name in clocks.policies
        if trace.channel.kind == "frequency_khz" and trace.sensor == "cpufreq" and wanted:
            for time_ns, value in zip(trace.times_ns, trace.values):
                reads[time_ns] = max(value, reads.get(time_ns, 0.0))
    values = [reads[time_ns] for time_ns in sorted(reads)]
    if not values:
        return None, None, 0
    lasting = [min(pair) for pair in zip(values, values[1:])] or values
    target = max(*lasting, clocks.highest_khz)
    low = sum(1 for value in values if value < LOW * target)
    return round(low / len(values), 5), int(min(values)), int(target)


def _temperatures(traces: Sequence[Trace]) -> Tuple[Optional[float], Optional[float]]:
    told = [trace for trace in traces if trace.channel.kind == "temperature_c" and trace.values]
    start = hottest_c((trace.channel.name, trace.values[0]) for trace in told)
    return start, hottest_c((trace.channel.name, max(trace.values)) for trace in told)
