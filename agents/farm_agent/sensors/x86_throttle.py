"""How often, and for how long, x86 cores and packages were throttled for heat since boot.

The counters only grow: growth during a block is throttling, a value above 0 is history.
"""

from __future__ import annotations

from pathlib import Path
from typing import List

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 0.1
CPUS = Path("sys/devices/system/cpu")
FILES = (
    ("core_throttle_count", "throttle_count"),
    ("core_throttle_total_time_ms", "throttle_time_ms"),
    ("package_throttle_count", "throttle_count"),
    ("package_throttle_total_time_ms", "throttle_time_ms"),
)


def sources(root: Path) -> List[sysfiles.Source]:
    """Each counter of each processor that has it, named ``cpu0/core_throttle_count``."""
    found = []
    for folder in sysfiles.folders(root / CPUS, "cpu[0-9]*"):
        for file, kind in FILES:
            path = folder / "thermal_throttle" / file
            if path.exists():
                found.append(sysfiles.Source(Channel(f"{folder.name}/{file}", kind, quantum=1.0), path))
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a counter can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel has no such counters."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"the kernel shows no thermal_throttle counters below /{CPUS}",
            code="sensor.unavailable",
            fix="none: they exist on Intel processors that are no virtual machine",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
