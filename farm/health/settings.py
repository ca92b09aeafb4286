"""The table ``[health]`` of the settings: how often devices are checked, and who hears of silent ones."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from farm.kinds import Key
from farm.tables import check, wrong

_DURATION = re.compile(r"(\d+(?:\.\d+)?)(m|h|d)")
_UNITS_S = {"m": 60.0, "h": 3600.0, "d": 86400.0}
KEYS = {"every": Key((str,)), "alarm_after": Key((str,)), "alarm": Key((list,))}


@dataclass(frozen=True)
class HealthSettings:
    """``every_s``: a canary at least so often; ``alarm_after_s``: silence that is told; ``alarm``: the
    command that is told, run in ``alarm_folder``; empty: none."""

    every_s: float = 6 * 3600.0
    alarm_after_s: float = 24 * 3600.0
    alarm: tuple[str, ...] = ()
    alarm_folder: str = "."


def parse_health(table: object, origin: str, folder: Path) -> dict[str, Any]:
    """What the table sets, as arguments of HealthSettings. Raises UsageError config.*."""
    if not isinstance(table, dict):
        raise wrong(origin, "health", table, 'a table like [health] with every = "6h"')
    found: dict[str, Any] = {}
    for key, value in table.items():
        if key not in KEYS:
            raise UsageError(
                f"{origin}: [health] has no setting {key!r}",
                code="config.unknown-key",
                fix=f"use one of: {', '.join(KEYS)}",
            )
        check(origin, f"health.{key}", KEYS[key], key, value)
        if key == "alarm":
            found["alarm"], found["alarm_folder"] = tuple(value), str(folder)
        else:
            found[f"{key}_s"] = _seconds(value, origin, f"health.{key}")
    return found


def _seconds(text: str, origin: str, place: str) -> float:
    match = _DURATION.fullmatch(text.strip())
    seconds = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if seconds <= 0.0:
        raise wrong(origin, place, text, "a time above 0 such as 30m, 6h or 2d")
    return seconds
