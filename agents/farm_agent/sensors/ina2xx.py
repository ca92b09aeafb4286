"""Power of an INA219, INA226 or kin through the kernel's hwmon driver, on whatever machine it is wired to.

The driver's shunt setting must be that of the board: a wrong ``shunt_resistor`` scales every value.
"""

from __future__ import annotations

from pathlib import Path
from typing import List, Optional

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import plausible, sysfiles
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "power"
# The INA226 of a fresh driver averages over some 2 ms; reading over the bus takes about 1 ms.
INTERVAL_S = 0.01
HWMON = Path("sys/class/hwmon")
CHIPS = ("ina209", "ina219", "ina220", "ina226", "ina230", "ina231", "ina237", "ina238", "ina260")
# The power register counts 20 (INA219) or 25 (INA226) steps of the current register.
SHUNT_STEP_V = {"ina219": 10e-6, "ina220": 10e-6, "ina226": 2.5e-6, "ina230": 2.5e-6, "ina231": 2.5e-6}
POWER_STEPS = {"ina219": 20, "ina220": 20, "ina226": 25, "ina230": 25, "ina231": 25}


def parse_microwatts(text: str) -> Optional[float]:
    """Watts of a ``power1_input`` file; None for what cannot be a power."""
    value = sysfiles.parse_integer(text)
    watts = None if value is None else value * 1e-6
    return watts if plausible.plausible("power_w", watts) else None


def parse_milli(text: str, kind: str) -> Optional[float]:
    """Volts or amperes of an ``in1_input`` or ``curr1_input`` file, ``kind`` voltage_v or current_a; None for
    what cannot be one. A current may be negative."""
    value = sysfiles.parse_integer(text)
    amount = None if value is None else value / 1000
    return amount if plausible.plausible(kind, amount) else None


def step_w(chip: str, shunt_ohm: Optional[float]) -> Optional[float]:
    """The power register's step for a chip and its shunt; None where one of them is not known."""
    if chip not in SHUNT_STEP_V or not shunt_ohm:
        return None
    return SHUNT_STEP_V[chip] / shunt_ohm * POWER_STEPS[chip]


def sources(root: Path) -> List[sysfiles.Source]:
    """Power, voltage and current of each chip, ``hwmon2:ina226``, with _V and _A."""
    found = []
    for folder in sysfiles.folders(root / HWMON, "hwmon*"):
        chip = sysfiles.read_word(folder / "name")
        if chip in CHIPS and (folder / "power1_input").exists():
            name = f"{folder.name}:{chip}"
            interval_ms = sysfiles.number(folder / "update_interval")
            update_s = interval_ms / 1000 if interval_ms and interval_ms > 0 else None
            micro_ohm = sysfiles.number(folder / "shunt_resistor")
            step = step_w(chip, micro_ohm * 1e-6 if micro_ohm and micro_ohm > 0 else None)
            power = Channel(name, "power_w", "input", step, None, update_s)
            volts = Channel(f"{name}_V", "voltage_v", "input", None, None, update_s)
            amperes = Channel(f"{name}_A", "current_a", "input", None, None, update_s)
            found.append(sysfiles.Source(power, folder / "power1_input", 1e-6))
            found.append(sysfiles.Source(volts, folder / "in1_input", 1e-3))
            found.append(sysfiles.Source(amperes, folder / "curr1_input", 1e-3))
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a chip can be read now."""
    return attempt(lambda: open(root))


def open(root: Path = Path("/")) -> sysfiles.FileSensor:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where the kernel shows no such chip."""
    found = sources(root)
    if not found:
        raise SensorError(
            f"no INA219, INA226 or kin below /{HWMON}",
            code="sensor.unavailable",
            fix="wire one and tell the kernel: echo ina226 0x40 > /sys/bus/i2c/devices/i2c-1/new_device",
        )
    return sysfiles.FileSensor(found, INTERVAL_S)
