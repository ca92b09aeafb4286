"""External power meters on the coordinator's side: one file per kind, its name is the kind in the settings.

A file must provide:

    KEYS: Mapping[str, Key]           what its table of settings may hold, beside COMMON
    open(settings) -> Meter           raises MeterError, UsageError when it cannot be used

Files are listed without importing any of them; packages hold what meters share. Importing one costs
nothing: what it needs is imported on use.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from farm import kinds
from farm.errors import MeasurementError, UsageError
from farm.kinds import Key
from farm_agent.messages.traces import Channel


class MeterError(MeasurementError):
    """A reading that could not be taken or understood; code ``meter.*``."""


# What every meter's table may hold.
COMMON: Mapping[str, Key] = {
    "kind": Key((str,), required=True),
    "device": Key((str,)),
    "scope": Key((str,), choices=("wall", "input", "module_input", "rail_sum", "rail")),
    "interval_s": Key((float, int)),
    "update_s": Key((float, int)),
    "accuracy_pct": Key((float, int)),
    "window_s": Key((float, int)),
}


@dataclass(frozen=True)
class MeterSettings(kinds.Settings):
    """One ``[meters.NAME]`` table. ``device``: the only one it measures; "": the only one of the run."""

    def channel(
        self,
        scope: str,
        *,
        kind: str = "power_w",
        quantum: float | None = None,
        wraps_at: float | None = None,
    ) -> Channel:
        """What the meter measures, with what the settings say about it.

        ``accuracy_pct`` is taken as limits of a uniform error: divided by the square root of three.
        """
        accuracy = self.options.get("accuracy_pct")
        update_s = self.options.get("update_s")
        return Channel(
            name="power" if kind == "power_w" else "energy",
            kind=kind,
            scope=self.text("scope", scope),
            quantum=quantum,
            wraps_at=wraps_at,
            update_s=None if update_s is None else float(update_s),
            gain=None if accuracy is None else float(accuracy) / 100 / 3**0.5,
        )


class Meter(Protocol):
    """An open meter. Times are this machine's CLOCK_MONOTONIC in ns."""

    @property
    def channel(self) -> Channel:
        """Power in watts or a counter in joules; fixed once it is open."""

    @property
    def interval_s(self) -> float:
        """The mean time between two reads."""

    def read(self) -> Sequence[tuple[int, float]]:
        """What is new, in order of time; nothing is allowed. Raises MeterError; may be called again then."""

    def close(self) -> None:
        """Let go of connections and files; never raises."""


def names() -> tuple[str, ...]:
    """Every kind of meter, without importing any."""
    return kinds.names(__path__)


def load(kind: str) -> Any:  # noqa: ANN401 - a module with the parts above
    """The module of a kind. Raises UsageError ``meter.kind``."""
    return kinds.load(__name__, __path__, kind, what="meter", code="meter.kind")


def open_meter(settings: MeterSettings) -> Meter:
    """Raises MeterError and UsageError, always with the meter's name."""
    try:
        meter: Meter = load(settings.kind).open(settings)
    except (MeterError, UsageError) as error:
        raise type(error)(
            f"meter {settings.name}: {error.message}", code=error.code, fix=error.fix
        ) from error
    return meter
