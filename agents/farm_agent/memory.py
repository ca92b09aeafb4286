"""Memory of another process, as the kernel counts it. Never ru_maxrss: it is inherited through exec."""

from __future__ import annotations

from dataclasses import replace
from typing import Optional

from farm_agent import sysfs
from farm_agent.wire import MemoryPhase


def read(pid: int, phase: str) -> MemoryPhase:
    """What the process holds now, its peak so far, and what the whole device has left."""
    found = parse(phase, sysfs.text(f"/proc/{pid}/status"), sysfs.text(f"/proc/{pid}/smaps_rollup"))
    return replace(found, device_available_bytes=sysfs.memory()["available_bytes"])


def parse(phase: str, status: Optional[str], rollup: Optional[str]) -> MemoryPhase:
    """From the texts of /proc/PID/status and smaps_rollup (Linux 4.14); a missing line is None."""
    lines = sysfs.fields(status or "")
    maps = sysfs.fields(rollup or "")
    private = [sysfs.kib(maps.get(key)) for key in ("Private_Clean", "Private_Dirty")]
    return MemoryPhase(
        phase=phase,
        rss_bytes=sysfs.kib(lines.get("VmRSS")),
        peak_rss_bytes=sysfs.kib(lines.get("VmHWM")),
        pss_bytes=sysfs.kib(maps.get("Pss")),
        uss_bytes=None if None in private else sum(part for part in private if part is not None),
        swap_bytes=sysfs.kib(lines.get("VmSwap")),
    )
