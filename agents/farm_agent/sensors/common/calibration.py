"""Unit and sign of a phone battery's current, found from readings in three known states; never guessed.

By Android's words the current is in uA and negative while discharging. Samsung and Huawei tell mA; Xiaomi's
and others' sign is the other way round. So a person reads it at rest, under load and while charging.
"""

from __future__ import annotations

import json
import statistics
from pathlib import Path
from typing import Any, Dict, List, NoReturn, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.sensors import SensorError

STATES = ("idle", "busy", "charging")
UNITS: Dict[str, float] = {"uA": 1e-6, "mA": 1e-3}
LEAST_READINGS = 3
# What a device that runs from its battery draws; both bands span less than the factor between the units.
IDLE_A = (0.005, 3.0)
BUSY_A = (0.1, 6.0)
CHARGING_A = (0.05, 12.0)
LEAST_RISE = 1.3
LIMIT_BYTES = 64 * 1024
FIX = (
    "write current_now, read at least 3 times each while unplugged and idle, unplugged and busy, and "
    'charging, as {{"idle": [..], "busy": [..], "charging": [..]}} into {} (docs/sensors.md)'
)


@dataclass(frozen=True)
class BatteryCalibration:
    """``unit``: uA or mA; ``sign``: -1 where a discharging battery's current reads negative, else 1."""

    unit: str
    sign: int

    def discharge_a(self, raw: float) -> float:
        """Amperes that leave the battery; negative while it charges."""
        return raw * UNITS[self.unit] * self.sign


def calibrate(idle: Sequence[int], busy: Sequence[int], charging: Sequence[int]) -> BatteryCalibration:
    """Unit and sign from raw readings: unplugged at rest, unplugged under load, and while charging.

    Raises SensorError ``sensor.calibration`` unless every reading of a state has one sign, charging the
    opposite one, load draws clearly more than rest, and exactly one unit makes all three believable.
    """
    signs = {state: _sign(state, values) for state, values in zip(STATES, (idle, busy, charging))}
    if signs["idle"] != signs["busy"]:
        _refuse("the current changes its sign between idle and busy, though both were unplugged")
    if signs["charging"] == signs["busy"]:
        _refuse("the current has the same sign while charging: it may be a magnitude, or nothing charged")
    rest, load, charge = (abs(statistics.median(values)) for values in (idle, busy, charging))
    if load < LEAST_RISE * rest:
        _refuse(f"busy ({load:g}) is not clearly above idle ({rest:g})")
    levels = ((rest, IDLE_A), (load, BUSY_A), (charge, CHARGING_A))
    units = [
        unit for unit, factor in UNITS.items() if all(_within(raw * factor, band) for raw, band in levels)
    ]
    if len(units) != 1:
        _refuse(f"idle {rest:g}, busy {load:g} and charging {charge:g} fit neither uA nor mA")
    return BatteryCalibration(units[0], signs["busy"])


def _within(value: float, band: Tuple[float, float]) -> bool:
    return band[0] <= value <= band[1]


def _sign(state: str, values: Sequence[int]) -> int:
    if len(values) < LEAST_READINGS:
        _refuse(f"{state} has {len(values)} readings; {LEAST_READINGS} are needed")
    if all(value > 0 for value in values):
        return 1
    if not all(value < 0 for value in values):
        _refuse(f"the readings of {state} have no single sign")
    return -1


def _refuse(why: str) -> NoReturn:
    raise SensorError(
        f"the battery's current cannot be calibrated: {why}",
        code="sensor.calibration",
        fix="read current_now again in the three states (docs/sensors.md)",
    )


def load(path: Path) -> BatteryCalibration:
    """The calibration that the readings in a file give. Raises SensorError ``sensor.calibration``."""
    try:
        with open(path, "rb") as file:
            data = json.loads(file.read(LIMIT_BYTES).decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise SensorError(
            f"no readings of the battery's current: {path}: {error}",
            code="sensor.calibration",
            fix=FIX.format(path),
        ) from error
    return calibrate(*(_readings(data, state, path) for state in STATES))


def _readings(data: Any, state: str, path: Path) -> List[int]:  # noqa: ANN401 - judged here
    values = data.get(state) if isinstance(data, dict) else None
    good = isinstance(values, list) and len(values) <= 1000
    if not good or any(type(value) is not int or abs(value) > 10**9 for value in values or ()):
        raise SensorError(
            f"{path}: {state} is no list of whole numbers", code="sensor.calibration", fix=FIX.format(path)
        )
    return list(values or ())
