"""The state of the box around a measurement. What cannot be read is None."""

from __future__ import annotations

import os
from typing import Any, Dict, List, Mapping, Optional

from farm_agent import android, libc, loop, pack, sysfs
from farm_agent.wire import JobSpec


def snapshot() -> Dict[str, Any]:
    """What changes: load, pressure, clocks, temperatures, throttling, memory."""
    phone = android.state()
    return {
        "loadavg": _loadavg(),
        "cpu_pressure_pct": sysfs.cpu_pressure_pct(),
        "clocks": sysfs.cpu_clocks(),
        "thermal_zones": sysfs.thermal_zones(),
        "throttle": sysfs.throttle_counts(),
        "memory": sysfs.memory(),
        **({"phone": phone} if phone is not None else {}),
    }


def _loadavg() -> Optional[List[float]]:
    """A phone does not tell its shell's user."""
    try:
        return list(os.getloadavg())
    except OSError:
        return None


def conditions(spec: JobSpec, versions: Mapping[str, str]) -> Dict[str, Any]:
    """What holds for the whole job: versions, protocol, threads, clock."""
    return {
        "versions": dict(versions),
        "agent_sha256": pack.agent_sha256(),
        "kernel": os.uname().release,
        "machine": os.uname().machine,
        "emulated": libc.emulator(),
        "protocol": spec.protocol,
        "threads": spec.threads,
        "options": dict(spec.options),
        "affinity": sorted(os.sched_getaffinity(0)),
        "clock": loop.CLOCK_NAME,
        "clocksource": sysfs.text("/sys/devices/system/clocksource/clocksource0/current_clocksource"),
        # Nothing here drops or warms it: load times are those of whatever was cached.
        "page_cache": "unknown",
    }
