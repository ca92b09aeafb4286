"""Numbers and foreign strings as people read them."""

from __future__ import annotations

import math
import unicodedata

_UNITS_NS = (("s", 1e9), ("ms", 1e6), ("µs", 1e3), ("ns", 1.0))
# Zero-width and direction-changing characters let one name look like another.
_HIDDEN = ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def printable(text: str, limit: int = 400) -> str:
    """``text`` on one line with everything that could drive a terminal spelled out (``\\x1b``).

    Names and messages of models and devices are foreign. Longer texts are cut, and end in "…".
    """
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return cut if cut.isprintable() else "".join(_spell(char) for char in cut)


def _spell(char: str) -> str:
    if unicodedata.category(char) in _HIDDEN or (char.isspace() and char != " "):
        return char.encode("unicode_escape", "surrogatepass").decode("ascii")
    return char


def number(value: float, digits: int = 3) -> str:
    """``digits`` significant digits without an exponent: 0.0823, 4.91, 61.7, 1234."""
    if value == 0:
        return "0"
    decimals = max(0, digits - len(f"{abs(value):.0f}")) if abs(value) >= 1 else digits
    if abs(value) < 1:
        while decimals < 9 and abs(value) * 10 ** (decimals - digits + 1) < 1:
            decimals += 1
    return f"{value:.{decimals}f}"


def threads_text(count: int) -> str:
    """``1 thread``, ``4 threads``."""
    return f"{count} thread{'s' * (count != 1)}"


def unit_of(value_ns: float) -> tuple[str, float]:
    """The unit in which a time reads best, and its nanoseconds."""
    for unit in _UNITS_NS:
        if value_ns >= unit[1]:
            return unit
    return _UNITS_NS[-1]


def duration(value_ns: float, digits: int = 3) -> str:
    """A time with its unit: ``4.91 ms``."""
    unit, size = unit_of(value_ns)
    return f"{number(value_ns / size, digits)} {unit}"


def duration_range(low_ns: float, high_ns: float, like_ns: float) -> str:
    """An interval in the unit that ``like_ns`` reads best in, with as many digits as tell the ends apart:
    ``4.87–4.96 ms``."""
    unit, size = unit_of(like_ns)
    texts = [(number(low_ns / size, digits), number(high_ns / size, digits)) for digits in (3, 4, 5)]
    low, high = next((pair for pair in texts if pair[0] != pair[1]), texts[0])
    return f"{low}–{high} {unit}"


def size(value_bytes: float, digits: int = 3) -> str:
    """Bytes with a unit (1 MB = 1 000 000 bytes): ``14.0 MB``."""
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if value_bytes >= scale:
            return f"{number(value_bytes / scale, digits)} {unit}"
    return f"{value_bytes:.0f} B"


def kept(share: float) -> str:
    """``99 %`` of 0.9999: whole percents, rounded down, so that only what is whole reads as 100 %."""
    return f"{math.floor(share * 100 + 1e-9)} %"
