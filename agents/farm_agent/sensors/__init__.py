"""One file per sensor; the file's name is the sensor's name.

A file must provide:

    PURPOSE: "telemetry" | "power"      telemetry is read during every block, power in energy windows alone
    probe() -> Probe                    whether it can be read here; never raises
    open() -> Sensor                    raises SensorError when it cannot
    parse...(text) -> ...               pure functions, tested on text that real devices print

Files are listed without importing any of them. A value that is not there, not a number or absurd is
left out of a reading and counted as missed, never replaced.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any, Dict, Tuple

from farm_agent.late import dataclass

try:
    from typing import Protocol
except ImportError:  # pragma: no cover - Python 3.7 and older are refused at start
    Protocol = object  # type: ignore[assignment]

from farm_agent.errors import JobError, MeasurementError
from farm_agent.messages.traces import Channel


@dataclass(frozen=True)
class Probe:
    """Whether a sensor can be read here. ``unavailable`` and ``fix`` are empty when it can."""

    unavailable: str = ""
    fix: str = ""


class SensorError(MeasurementError):
    """A reading that could not be taken or understood; code ``sensor.*``."""


class Sensor(Protocol):
    """An open sensor.

    One that lacks a part may have ``lacks``, the SensorError that says why and what helps.
    """

    @property
    def channels(self) -> Tuple[Channel, ...]:
        """What it measures; fixed once it is open."""

    @property
    def interval_s(self) -> float:
        """The shortest sensible time between two reads."""

    def read(self) -> Dict[str, float]:
        """Values by channel name; a channel without a value now is left out. Raises SensorError."""

    def close(self) -> None:
        """Let go of files and processes."""


def names() -> Tuple[str, ...]:
    """Every sensor this agent knows, without importing any; packages hold what sensors share."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg))


def load(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The module of a sensor. Raises JobError ``sensor.unknown``."""
    if name not in names():
        raise JobError(
            "no sensor is called {!r}; this agent knows {}".format(name, ", ".join(names())),
            code="sensor.unknown",
            fix="correct the profile's list of sensors",
        )
    return importlib.import_module(f"farm_agent.sensors.{name}")
