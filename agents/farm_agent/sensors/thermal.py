"""Temperatures of the kernel's thermal zones.

A sensor of a switched-off unit reads -256 degrees (Jetson): missing, not cold. Jetson's PMIC zone tells
which threshold of the power chip was passed (50 or 100 degrees on a cool board), no temperature.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import plausible, sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 0.1
ZONES = Path("sys/class/thermal")


def parse_millidegrees(text: str) -> Optional[float]:
    """Degrees Celsius of a ``temp`` file; None for a gated sensor and for what is no temperature."""
    value = sysfiles.parse_integer(text)
    celsius = None if value is None else value / 1000
    return celsius if plausible.plausible("temperature_c", celsius) else None


def tells_temperature(zone_type: str) -> bool:
    """Whether a zone of this type holds a temperature at all."""
    return "pmic" not in zone_type.lower()


def sources(root: Path) -> List[sysfiles.Source]:
    """Every zone, named ``zone:type``, for types need not be unique."""
    found = []
    for folder in sysfiles.folders(root / ZONES, "thermal_zone*"):
        kind = sysfiles.read_word(folder / "type")
        if tells_temperature(kind):
            name = f"{folder.name}:{kind}" if kind else folder.name
            found.append(
                sysfiles.Source(Channel(name, "temperature_c", quantum=0.001), folder / "temp", 0.001)
            )
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a zone tells a temperature now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel shows no zone."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"the kernel shows no thermal zone below /{ZONES}",
            code="sensor.unavailable",
            fix="none on a virtual machine; on a board, use its vendor's kernel",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
