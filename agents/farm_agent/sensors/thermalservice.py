"""Android's own view of heat: ``dumpsys thermalservice``.

Only the block "Current temperatures from HAL" is of now; the cached one may be half an hour old. A status of
0 proves nothing: phones have been seen that throttle at 52 degrees with it. Above 0 it is throttling.
"""

from __future__ import annotations

import math
import re
from dataclasses import field
from typing import Callable, Dict, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError
from farm_agent.sensors.common import command, plausible
from farm_agent.sensors.common.attempt import attempt

PURPOSE = "telemetry"
INTERVAL_S = 1.0
STATUSES = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
STATUS = re.compile(r"Thermal Status: ([0-6])(?!\d)", re.ASCII)
BLOCK = "Current temperatures from HAL:"
NUMBER = r"(-?(?:\d{1,6}(?:[.,]\d{1,9})?|Infinity)|NaN)"
TEMPERATURE = re.compile(
    r"Temperature\{mValue=" + NUMBER + r", mType=(-?\d{1,3}), mName=([^,}]{1,60}), mStatus=(\d{1,2})\}",
    re.ASCII,
)


@dataclass(frozen=True)
class Heat:
    """``status`` None: not told. ``ready`` False: the layer below has no data, so there are none."""

    status: Optional[int]
    ready: bool
    temperatures_c: Dict[str, float] = field(default_factory=dict)


def parse(text: str) -> Heat:
    """What the service tells now; NaN and absurd temperatures are missing.

    Raises SensorError ``sensor.bad-text`` when it is no such text.
    """
    status = STATUS.search(text)
    if status is None and BLOCK not in text:
        raise SensorError(f"no dumpsys thermalservice: {text.strip()[:80]!r}", code="sensor.bad-text")
    ready = "HAL Ready: true" in text
    found: Dict[str, float] = {}
    if ready:
        for line in text.partition(BLOCK)[2].splitlines()[1:]:
            match = TEMPERATURE.fullmatch(line.strip())
            if match is None:
                break
            found.setdefault(match.group(3), _celsius(match.group(1)))
    real = {name: value for name, value in found.items() if plausible.plausible("temperature_c", value)}
    return Heat(int(status.group(1)) if status else None, ready, real)


def _celsius(text: str) -> float:
    return math.nan if text == "NaN" else float(text.replace(",", "."))


class ThermalService:
    """Asks the service at every read: a process of some ten milliseconds."""

    interval_s = INTERVAL_S

    def __init__(self, ask: Callable[[], str]) -> None:
        self._ask = ask
        heat = parse(ask())
        self.channels: Tuple[Channel, ...] = (
            *((Channel("status", "throttle_state", quantum=1.0),) if heat.status is not None else ()),
            *(Channel(name, "temperature_c") for name in heat.temperatures_c),
        )

    def read(self) -> Dict[str, float]:
        """Raises SensorError when the service does not answer or has no data."""
        heat = parse(self._ask())
        values = dict(heat.temperatures_c)
        if heat.status is not None:
            values["status"] = float(heat.status)
        kept = plausible.keep(self.channels, values)
        if not kept:
            raise SensorError("the thermal service tells nothing now", code="sensor.silent")
        return kept

    def close(self) -> None:
        """Nothing is held."""


def probe() -> Probe:
    """Available on Android."""
    return attempt(open)


def open(ask: Optional[Callable[[], str]] = None) -> ThermalService:  # noqa: A001 - the seam's name
    """Raises SensorError ``sensor.unavailable`` where there is no dumpsys."""
    return ThermalService(ask or (lambda: command.run(["dumpsys", "thermalservice"])))
