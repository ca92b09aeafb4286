"""The ``[meters.NAME]`` tables of the settings, strictly read; which meter measures which device."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm import power
from farm.errors import UsageError
from farm.power import COMMON, Key, MeterSettings

if TYPE_CHECKING:
    from farm_agent.messages.energy import EnergyPlan

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_POSITIVE = ("interval_s", "update_s", "accuracy_pct", "window_s", "timeout_s", "quantum", "wraps_at")
# A window must have 100 new values, and a thousand times the bound that the load signature gives, some fifth
# of an interval. Polled at random as often as it has new values, a meter repeats a third of them.
_UPDATES = 300
_LONGEST_S = 600.0
_LEAST_WINDOW_NS = 30_000_000_000


def parse_meters(tables: object, origin: str, folder: Path) -> dict[str, MeterSettings]:
    """Every table as settings. Raises UsageError config.type, config.unknown-key."""
    if not isinstance(tables, dict):
        raise _wrong(origin, "meters", tables, "tables like [meters.desk]")
    return {name: _parse(name, table, origin, folder) for name, table in tables.items()}


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


def _parse(name: str, table: object, origin: str, folder: Path) -> MeterSettings:
    place = f"meters.{name}"
    if not _NAME.fullmatch(name):
        raise _wrong(origin, place, name, "a name of letters, digits, dots, dashes and underscores")
    if not isinstance(table, dict):
        raise _wrong(origin, place, table, "a table")
    kind = table.get("kind")
    if kind not in power.names():
        raise _wrong(origin, f"{place}.kind", kind, f"one of {', '.join(power.names())}")
    keys: dict[str, Key] = {**COMMON, **power.load(kind).KEYS}
    for key, value in table.items():
        if key not in keys:
            raise UsageError(
                f"{origin}: a meter of kind {kind} has no setting {key!r}",
                code="config.unknown-key",
                fix=f"use one of: {', '.join(sorted(keys))}",
            )
        _check(origin, f"{place}.{key}", keys[key], key, value)
    for key, rule in keys.items():
        if rule.required and key not in table:
            raise _wrong(origin, f"{place}.{key}", None, "a value")
    return MeterSettings(name, kind, table.get("device", ""), dict(table), str(folder))


def _check(origin: str, place: str, rule: Key, key: str, value: Any) -> None:  # noqa: ANN401 - TOML
    names = " or ".join(
        {str: "text", int: "whole number", float: "number", list: "list"}[k] for k in rule.kinds
    )
    if isinstance(value, bool) or not isinstance(value, rule.kinds) or value in ("", []):
        raise _wrong(origin, place, value, f"a {names}")
    if isinstance(value, list) and not all(isinstance(word, str) and word for word in value):
        raise _wrong(origin, place, value, "a list of texts")
    if rule.choices and value not in rule.choices:
        raise _wrong(origin, place, value, f"one of {', '.join(rule.choices)}")
    if key in _POSITIVE and not 0 < float(str(value)) < math.inf:
        raise _wrong(origin, place, value, "a number above 0")


def _wrong(origin: str, place: str, value: object, expected: str) -> UsageError:
    return UsageError(
        f"{origin}: {place} is {str(value)[:80]!r}, expected {expected}",
        code="config.type",
        fix=f"set {place} to {expected} in {origin}",
    )
