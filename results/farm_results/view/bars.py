"""Bars of text: a level among seven heights, a length in eighths of a character, and both in ASCII."""

from __future__ import annotations

from collections.abc import Sequence

_HEIGHTS = "▁▂▃▄▅▆▇"
_EIGHTHS = " ▏▎▍▌▋▊▉"
_PLAIN = {
    **dict(zip(_HEIGHTS, "1234567", strict=True)),
    **dict.fromkeys("▏▎▍", "."),
    **dict.fromkeys("▌▋▊▉█", "#"),
    "–": "-",
    "µ": "u",
    "·": "|",
    "→": "->",
    "°": " deg ",
    "±": "+/-",
    "…": "...",
    "×": "x",
}


def bar(share: float, width: int) -> str:
    """``share`` of ``width`` characters; anything above zero shows."""
    eighths = round(max(0.0, min(1.0, share)) * width * 8)
    if share > 0:
        eighths = max(1, eighths)
    whole, rest = divmod(eighths, 8)
    return "█" * whole + (_EIGHTHS[rest] if rest else "")


def spark(values: Sequence[float | None], low: float, high: float) -> str:
    """One character per value between ``low`` and ``high``; a blank where there is none."""
    span = high - low
    return "".join(
        " " if value is None else _HEIGHTS[min(6, max(0, int(7 * (value - low) / span))) if span > 0 else 0]
        for value in values
    )


def plain(text: str) -> str:
    """``text`` in ASCII, for terminals and files that hold nothing else: heights are digits, lengths #."""
    replaced = "".join(_PLAIN.get(char, char) for char in text)
    return replaced.encode("ascii", "replace").decode("ascii")
