"""Numbers and foreign text as pages show them; every number with its unit."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from farm_results import text

NOTHING = "–"
CELL_CHARACTERS = 300


@dataclass(frozen=True)
class Shown:
    """A cell that reads as ``text`` and is sorted by ``value``."""

    text: str
    value: float | None = None

    def __str__(self) -> str:
        return self.text


def ns(value: float | None) -> str:
    """``4.91 ms``; negative times keep their sign."""
    if value is None or not math.isfinite(value):
        return NOTHING
    return f"−{text.duration(-value)}" if value < 0 else text.duration(value)


def bytes_text(value: float | None) -> str:
    """``14.0 MB``."""
    return NOTHING if value is None or not math.isfinite(value) else text.size(value)


def joules(value: float | None) -> str:
    """``31.0 mJ``."""
    return NOTHING if value is None or not math.isfinite(value) else _scaled(value, "J")


def watts(value: float | None) -> str:
    """``3.91 W``."""
    return NOTHING if value is None or not math.isfinite(value) else _scaled(value, "W")


def share(value: float | None) -> str:
    """``3.10 %`` of 0.031."""
    return NOTHING if value is None or not math.isfinite(value) else f"{text.number(value * 100)} %"


def change(value: float | None) -> str:
    """``+3.1 %`` of 0.031, ``−2.1 %`` of -0.021, ``0.0 %`` of what is nearer to nothing."""
    if value is None or not math.isfinite(value):
        return NOTHING
    shown = f"{value * 100:+.1f} %".replace("-", "−")
    return shown[1:] if shown[1:] == "0.0 %" else shown


def plain_number(value: float | None) -> str:
    """Four significant digits; whole numbers in full."""
    if value is None or not math.isfinite(value):
        return NOTHING
    whole = isinstance(value, int) or (float(value).is_integer() and abs(value) < 1e15)
    return f"{int(value)}" if whole else text.number(value, 4)


def when(unix_s: float | None) -> str:
    """``2026-11-21 03:11 UTC``; what no calendar holds is shown as a number."""
    if unix_s is None or not math.isfinite(unix_s):
        return NOTHING
    try:
        return f"{datetime.fromtimestamp(unix_s, UTC).isoformat(' ', 'minutes')[:-6]} UTC"
    except (OverflowError, ValueError, OSError):
        return f"{unix_s:g} s"


def foreign(value: object, limit: int = CELL_CHARACTERS) -> str:
    """Text from a store or device: on one line, bounded, with what could mislead the eye spelled out."""
    return text.printable(str(value), limit)


def cell(value: Any, kind: str = "text") -> str:  # noqa: ANN401 - any cell of a grid
    """A cell as it reads, by its column's kind."""
    if value is None:
        return NOTHING
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return foreign(value) or NOTHING
    return _KINDS.get(kind, plain_number)(value)


def _fine_ns(value: float) -> str:
    unit, size = text.unit_of(value)
    return f"{text.number(value / size, 5)} {unit}"


def _scaled(value: float, unit: str) -> str:
    sign, size = ("−" if value < 0 else ""), abs(value)
    for prefix, scale in (("", 1.0), ("m", 1e-3), ("µ", 1e-6)):
        if size >= scale or prefix == "µ":
            return f"{sign}{text.number(size / scale)} {prefix}{unit}"
    return NOTHING


_KINDS: dict[str, Callable[[Any], str]] = {
    "ns": ns,
    "ns5": _fine_ns,
    "us": lambda value: ns(value * 1e3),
    "s": lambda value: ns(value * 1e9),
    "bytes": bytes_text,
    "j": joules,
    "w": watts,
    "c": lambda value: f"{text.number(value)} °C",
    "hz": lambda value: f"{text.number(value / 1e9)} GHz",
    "share": share,
    "change": change,
    "time": when,
}
