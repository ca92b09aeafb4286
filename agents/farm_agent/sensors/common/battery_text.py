"""What Android and Linux say of a battery: sysfs files, a uevent, or the text of ``dumpsys battery``."""

from __future__ import annotations

import re
from typing import Dict, Mapping, Optional

from farm_agent.late import dataclass
from farm_agent.sensors import SensorError
from farm_agent.sensors.common import plausible, sysfiles

UNKNOWN, CHARGING, DISCHARGING, NOT_CHARGING, FULL = 1, 2, 3, 4, 5
STATES: Dict[str, int] = {
    "unknown": UNKNOWN,
    "charging": CHARGING,
    "discharging": DISCHARGING,
    "not charging": NOT_CHARGING,
    "full": FULL,
}
UEVENT = re.compile(r"POWER_SUPPLY_([A-Z_]{1,40})=(.{0,80})", re.ASCII)
DUMPSYS = re.compile(r"\s{0,8}([A-Za-z][A-Za-z _]{0,40}?)\s*:\s*(\S.{0,80}?)?\s*", re.ASCII)


@dataclass(frozen=True)
class BatteryText:
    """What was said. ``raw_current``: as it stands there, of unknown unit and sign. None: not said."""

    level_pct: Optional[float] = None
    state: Optional[int] = None
    plugged: Optional[bool] = None
    voltage_v: Optional[float] = None
    temperature_c: Optional[float] = None
    raw_current: Optional[int] = None


def volts(value: Optional[int]) -> Optional[float]:
    """Of a value in uV (sysfs) or mV (Android): no battery has a voltage that could be either."""
    if value is None:
        return None
    for factor in (1e-6, 1e-3):
        if 2.0 <= value * factor <= 60.0:
            return value * factor
    return None


def parse_uevent(text: str) -> BatteryText:
    """``POWER_SUPPLY_...=`` lines. Raises SensorError ``sensor.bad-text`` when there is none."""
    found: Dict[str, str] = {}
    for line in text.splitlines():
        match = UEVENT.fullmatch(line.strip())
        if match:
            found.setdefault(match.group(1), match.group(2).strip())
    if not found:
        raise SensorError(f"no uevent of a battery: {text.strip()[:80]!r}", code="sensor.bad-text")
    return _told(
        level=_integer(found, "CAPACITY"),
        state=STATES.get(found.get("STATUS", "").lower()),
        plugged=None,
        voltage=_integer(found, "VOLTAGE_NOW"),
        tenths_c=_integer(found, "TEMP"),
        current=_integer(found, "CURRENT_NOW"),
    )


def parse_dumpsys(text: str) -> BatteryText:
    """The lines of ``dumpsys battery``; those of an event log below them (Samsung) count for nothing.

    Raises SensorError ``sensor.bad-text`` when it tells neither level nor source.
    """
    found: Dict[str, str] = {}
    for line in text.splitlines():
        match = DUMPSYS.fullmatch(line)
        if match:
            found.setdefault(match.group(1).lower(), match.group(2) or "")
    sources = [value for key, value in found.items() if key.endswith(" powered")]
    if "level" not in found and not sources:
        raise SensorError(f"no dumpsys battery: {text.strip()[:80]!r}", code="sensor.bad-text")
    state = _integer(found, "status")
    scale = _integer(found, "scale")
    level = _integer(found, "level")
    return _told(
        level=level if scale in (None, 100) else None,
        state=state if state in STATES.values() else None,
        plugged="true" in sources if sources else None,
        voltage=_integer(found, "voltage"),
        tenths_c=_integer(found, "temperature"),
        current=_integer(found, "current now"),
    )


def _integer(found: Mapping[str, str], key: str) -> Optional[int]:
    return sysfiles.parse_integer(found.get(key, ""))


def _told(
    *,
    level: Optional[int],
    state: Optional[int],
    plugged: Optional[bool],
    voltage: Optional[int],
    tenths_c: Optional[int],
    current: Optional[int],
) -> BatteryText:
    celsius = None if tenths_c is None else tenths_c / 10
    return BatteryText(
        float(level) if level is not None and plausible.plausible("level_pct", level) else None,
        state,
        plugged,
        volts(voltage),
        celsius if plausible.plausible("temperature_c", celsius) else None,
        current,
    )
