"""Power switches of devices: one file per kind, its name is the kind in the settings.

A file must provide:

    KEYS: Mapping[str, Key]            what its table of settings may hold, beside COMMON
    open(settings) -> Switch           raises SwitchError, UsageError when it cannot be used; contacts nothing

Files are listed without importing any; packages hold what switches share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from farm import kinds
from farm.errors import InfrastructureError, UsageError
from farm.kinds import Key


class SwitchError(InfrastructureError):
    """A switch that did not do what it was told; code ``switch.*``."""


COMMON: Mapping[str, Key] = {
    "kind": Key((str,), required=True),
    "device": Key((str,), required=True),
    "off_s": Key((float, int)),
    "timeout_s": Key((float, int)),
}


@dataclass(frozen=True)
class SwitchSettings(kinds.Settings):
    """One ``[switches.NAME]`` table. ``device``: whose power."""


class Switch(Protocol):
    """The power of one device."""

    def state(self) -> bool | None:
        """Whether it is on; None where the switch cannot tell. Raises SwitchError."""

    def cycle(self) -> str:
        """Off, a while, and on again; what was done. Raises SwitchError, also when it stays off."""


def names() -> tuple[str, ...]:
    """Every kind of switch, without importing any."""
    return kinds.names(__path__)


def load(kind: str) -> Any:  # noqa: ANN401 - a module with the parts above
    """The module of a kind. Raises UsageError ``switch.kind``."""
    return kinds.load(__name__, __path__, kind, what="power switch", code="switch.kind")


def open_switch(settings: SwitchSettings) -> Switch:
    """Raises SwitchError and UsageError, always with the switch's name."""
    try:
        switch: Switch = load(settings.kind).open(settings)
    except (SwitchError, UsageError) as error:
        raise type(error)(
            f"switch {settings.name}: {error.message}", code=error.code, fix=error.fix
        ) from error
    return switch


def of_device(switches: Mapping[str, SwitchSettings], device: str) -> SwitchSettings | None:
    """The switch of a device's power. Two of one device were refused when the settings were read."""
    return next((each for each in switches.values() if each.device == device), None)


def parse_switches(tables: object, origin: str, folder: Path) -> dict[str, SwitchSettings]:
    """Every ``[switches.NAME]`` table. Raises UsageError config.type, config.unknown-key."""
    from farm.tables import read_tables, wrong

    found = {
        name: SwitchSettings(name, str(table["kind"]), str(table["device"]), table, str(folder))
        for name, table in read_tables(tables, origin, "switches", names(), _keys).items()
    }
    owners: dict[str, str] = {}
    for name, settings in found.items():
        other = owners.setdefault(settings.device, name)
        if other != name:
            raise wrong(
                origin, f"switches.{name}.device", settings.device, f"a device that {other} does not switch"
            )
    return found


def _keys(kind: str) -> Mapping[str, Key]:
    return {**COMMON, **load(kind).KEYS}
