"""The ``[meters.NAME]`` tables of the settings, strictly read; which meter measures which device."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm import power
from farm.errors import UsageError
from farm.kinds import Key
from farm.power import COMMON, MeterSettings
from farm.tables import read_tables

if TYPE_CHECKING:
    from farm_agent.messages.energy import EnergyPlan

# A window must have 100 new values, and a thousand times the bound that the load signature gives, some fifth
# of an interval. Polled at random as often as it has new values, a meter repeats a third of them.
_UPDATES = 300
_LONGEST_S = 600.0
_LEAST_WINDOW_NS = 30_000_000_000


def parse_meters(tables: object, origin: str, folder: Path) -> dict[str, MeterSettings]:
    """Every table as settings. Raises UsageError config.type, config.unknown-key."""
    found = read_tables(tables, origin, "meters", power.names(), _keys)
    return {
        name: MeterSettings(name, table["kind"], table.get("device", ""), table, str(folder))
        for name, table in found.items()
    }


def choose(names: Sequence[str], known: Mapping[str, MeterSettings], devices: Sequence[str]) -> None:
    """Refuse meters that cannot be used for these devices, before anything runs.

    Raises UsageError meter.unknown, meter.other-device, meter.device-unclear.
    """
    for name in names:
        if name not in known:
            raise UsageError(
                f"no meter is called {name!r}",
                code="meter.unknown",
                fix=f"add a table [meters.{name}] to farm.toml"
                + (f", or use one of: {', '.join(sorted(known))}" if known else ""),
            )
        device = known[name].device
        if device and device not in devices:
            raise UsageError(
                f"the meter {name} measures {device}, which this run does not",
                code="meter.other-device",
                fix=f"add -d {device}, or leave out --meter {name}",
            )
        if not device and len(devices) > 1:
            raise UsageError(
                f"which of {', '.join(devices)} does the meter {name} measure?",
                code="meter.device-unclear",
                fix=f'set device = "..." in [meters.{name}]',
            )


def of_device(meters: Sequence[MeterSettings], device: str) -> tuple[MeterSettings, ...]:
    """Those that measure this device; one that names none measures the only device of the run."""
    return tuple(meter for meter in meters if meter.device in ("", device))


def planned(plan: EnergyPlan | None, meters: Sequence[MeterSettings]) -> EnergyPlan | None:
    """The plan for a device with these meters: a load signature, and windows that the slowest can use.

    Without a meter there is no signature. A window below 30 s was asked to be too short, and stays.
    """
    if plan is None or not meters:
        return None if plan is None else replace(plan, signature=False)
    slowest_s = max(_interval_s(meter) for meter in meters)
    wished_s = max(_window_s(meter) for meter in meters)
    window_ns = plan.window_ns
    if window_ns >= _LEAST_WINDOW_NS:
        window_ns = max(window_ns, int(1e9 * wished_s))
    burst_ns = max(plan.burst_ns, int(3e9 * slowest_s))
    return replace(plan, signature=True, window_ns=window_ns, burst_ns=burst_ns)


def _interval_s(meter: MeterSettings) -> float:
    usual = float(power.load(meter.kind).INTERVAL_S)
    return max(meter.number("interval_s", usual), meter.number("update_s", 0.0))


def _window_s(meter: MeterSettings) -> float:
    return max(meter.number("window_s", 0.0), min(_LONGEST_S, _UPDATES * _interval_s(meter)))


def _keys(kind: str) -> Mapping[str, Key]:
    return {**COMMON, **power.load(kind).KEYS}
