"""Over-current alarms of Jetson modules: what makes the hardware slow the processors down at once.

The alarms of the INA3221 channels are 1 while (or since the last read) a limit is passed; the counters
``oc*_event_cnt`` grow with each event, on kernels that have them.
"""

from __future__ import annotations

from pathlib import Path
from typing import List

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError, ina3221
from farm_agent.sensors.common import sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 0.1
LIMITS = ("crit", "max")


def sources(root: Path) -> List[sysfiles.Source]:
    """Alarms by rail, ``VDD_IN/crit_alarm``, and event counters by chip, ``soctherm_oc/oc1_event_cnt``."""
    found = []
    for rail in ina3221.rails(root):
        for limit in LIMITS:
            path = rail.current.with_name(rail.current.name.replace("_input", f"_{limit}_alarm"))
            if path.exists():
                channel = Channel(f"{rail.label}/{limit}_alarm", "throttle_state", quantum=1.0)
                found.append(sysfiles.Source(channel, path))
    for chip in sysfiles.folders(root / ina3221.HWMON, "hwmon*"):
        for path in sysfiles.folders(chip, "oc*_event_cnt"):
            name = f"{sysfiles.read_word(chip / 'name') or chip.name}/{path.name}"
            found.append(sysfiles.Source(Channel(name, "throttle_count", quantum=1.0), path))
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where an alarm or a counter can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel shows no alarm."""
    found = sources(root)
    if not found:
        raise SensorError(
            "the kernel shows no over-current alarm of an INA3221",
            code="sensor.unavailable",
            fix="only Jetson modules have them; there, use NVIDIA's kernel",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
