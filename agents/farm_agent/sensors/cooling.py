"""States of the kernel's cooling devices: the portable sign that something is being slowed down.

A state above 0 of a device that slows (processor, GPU, memory clocks) is throttling; a fan's is not.
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
DEVICES = Path("sys/class/thermal")
# Parts of type names of cooling devices that cost no computing speed: fans, screens, radios, chargers, and
# Intel's TCC offset, which is a setting (the temperature at which to throttle) and no event.
HARMLESS = (
    "fan",
    "lcd",
    "backlight",
    "panel",
    "iwlwifi",
    "wlan",
    "wifi",
    "modem",
    "mmw",
    "battery",
    "charger",
    "tcc offset",
)


def slows(device_type: str) -> bool:
    """Whether a state above 0 of this type of cooling device slows computing down.

    A type that nobody knows counts as one that does: a warning too many is better than a number that
    nobody doubts.
    """
    name = device_type.lower()
    return not any(word in name for word in HARMLESS)


def sources(root: Path) -> List[sysfiles.Source]:
    """Every cooling device that tells a state, named ``device:type``; of kind throttle_state where it slows,
    else count. One that is not in use (intel_powerclamp) tells -1 and is left out."""
    found = []
    for folder in sysfiles.folders(root / DEVICES, "cooling_device*"):
        device_type = sysfiles.read_word(folder / "type")
        kind = "throttle_state" if slows(device_type) else "count"
        channel = Channel(f"{folder.name}:{device_type}", kind, quantum=1.0)
        if (sysfiles.number(folder / "cur_state") or 0) >= 0:
            found.append(sysfiles.Source(channel, folder / "cur_state"))
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a device tells its state now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel shows no cooling device."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"the kernel shows no cooling device below /{DEVICES}",
            code="sensor.unavailable",
            fix="none on a virtual machine; on a board, use its vendor's kernel",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
