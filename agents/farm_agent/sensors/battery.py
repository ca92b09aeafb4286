"""Level, charge state, voltage and, once calibrated, power of a device's battery.

The unit and sign of the current differ between makers, so without a calibration there is no power: level
and charge state still are. While a charger is plugged in the current is no cost of an inference.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Callable, Dict, List, Optional, Tuple

from farm_agent import identity
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import battery_text, calibration, command, plausible, sysfiles
from farm_agent.sensors.common.battery_text import BatteryText
from farm_agent.sensors.common.calibration import BatteryCalibration, calibrate

__all__ = ["PURPOSE", "BatteryCalibration", "calibrate", "open", "probe"]

PURPOSE = "power"
INTERVAL_S = 1.0
# Chips take a new value every 1 to 10 s: 100 of them in 5 minutes.
UPDATE_S = 3.0
SUPPLIES = Path("sys/class/power_supply")
READINGS = "battery.json"
READINGS_VARIABLE = "FARM_BATTERY_READINGS"

Ask = Callable[[], BatteryText]


def readings_path() -> Path:
    """Where the readings for the calibration lie: FARM_BATTERY_READINGS, else in the agent's folder."""
    named = os.environ.get(READINGS_VARIABLE)
    if named:
        return Path(named)
    entry = Path(identity.agent_argv()[1])
    folder = entry.parent.parent if entry.parent.name == "agents" and entry.is_file() else Path.cwd()
    return folder / READINGS


def uevent_path(root: Path) -> Optional[Path]:
    """The uevent of the battery that feeds the device itself, not a mouse."""
    for folder in sysfiles.folders(root / SUPPLIES, "*"):
        kind = sysfiles.read_word(folder / "type")
        if kind == "Battery" and sysfiles.read_word(folder / "scope") != "Device":
            return folder / "uevent"
    return None


def asker(root: Path) -> Ask:
    """How to read this battery: its uevent, else ``dumpsys battery``. Raises SensorError."""
    path = uevent_path(root)
    if path is not None and os.access(str(path), os.R_OK):
        return lambda: battery_text.parse_uevent(sysfiles.read_text(path))
    try:
        battery_text.parse_dumpsys(command.run(["dumpsys", "battery"]))
    except SensorError as error:
        raise SensorError(
            f"no battery below /{SUPPLIES}, and {error.message}",
            code="sensor.unavailable",
            fix="none on a device without a battery",
        ) from error
    return lambda: battery_text.parse_dumpsys(command.run(["dumpsys", "battery"]))


def values_of(told: BatteryText, calibrated: Optional[BatteryCalibration]) -> Dict[str, float]:
    """By channel name. Power leaves the battery only while it discharges; else there is none."""
    known = {"level": told.level_pct, "charge_state": told.state, "battery_V": told.voltage_v}
    known["temperature"] = told.temperature_c
    if calibrated is not None and told.raw_current is not None:
        amperes = calibrated.discharge_a(told.raw_current)
        known["battery_A"] = amperes
        if told.voltage_v is not None and discharges(told):
            known["battery"] = amperes * told.voltage_v
    return {name: float(value) for name, value in known.items() if value is not None}


def discharges(told: BatteryText) -> bool:
    """Whether it says so; where it tells no state, whether nothing is plugged in."""
    return told.state == battery_text.DISCHARGING or (told.state is None and told.plugged is False)


class Battery:
    """Reads the battery. ``lacks``: why there is no power among its channels; None where there is."""

    interval_s = INTERVAL_S

    def __init__(
        self, ask: Ask, calibrated: Optional[BatteryCalibration], lacks: Optional[SensorError]
    ) -> None:
        self._ask = ask
        self._calibrated = calibrated
        self.lacks = lacks
        first = ask()
        self.channels: Tuple[Channel, ...] = tuple(_channels(first, calibrated))

    def read(self) -> Dict[str, float]:
        """Raises SensorError when the battery tells nothing any more."""
        kept = plausible.keep(self.channels, values_of(self._ask(), self._calibrated))
        if not kept:
            raise SensorError("the battery tells nothing that can be true", code="sensor.silent")
        return kept

    def close(self) -> None:
        """Nothing is held."""


def _channels(first: BatteryText, calibrated: Optional[BatteryCalibration]) -> List[Channel]:
    channels = [
        Channel("level", "level_pct", "", 1.0, None, UPDATE_S),
        Channel("charge_state", "charge_state", "", 1.0, None, UPDATE_S),
        Channel("battery_V", "voltage_v", "", None, None, UPDATE_S),
        Channel("temperature", "temperature_c", "", 0.1, None, UPDATE_S),
    ]
    found = [channel for channel in channels if channel.name in values_of(first, None)]
    if calibrated is not None and first.raw_current is not None:
        found.append(Channel("battery_A", "current_a", "battery", None, None, UPDATE_S))
        found.append(Channel("battery", "power_w", "battery", None, None, UPDATE_S))
    return found


def probe(root: Path = Path("/")) -> Probe:
    """Available where a battery tells something; ``fix`` then says how to get its power as well."""
    try:
        sensor = open(root)
        sensor.read()
    except SensorError as error:
        return Probe(error.message, error.fix)
    return Probe("", sensor.lacks.fix if sensor.lacks is not None else "")


def open(  # noqa: A001 - the seam's name
    root: Path = Path("/"), calibrated: Optional[BatteryCalibration] = None
) -> Battery:
    """``calibrated``: instead of the readings in the agent's folder.

    Raises SensorError ``sensor.unavailable`` where there is no battery.
    """
    ask = asker(root)
    lacks: Optional[SensorError] = None
    if calibrated is None:
        try:
            calibrated = calibration.load(readings_path())
        except SensorError as error:
            lacks = SensorError(f"no power: {error.message}", code=error.code, fix=error.fix)
    return Battery(ask, calibrated, lacks)
