"""One result as lines of plain text, for a terminal: numbers, histogram, timeline, outliers, memory, proof.

One section per file; each gives ``Line``s that fit a width. Nothing here prints, and every text is safe to
print.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass

from farm_results.text import printable

LABEL = 16


@dataclass(frozen=True)
class Line:
    """``style``: "" | "head" (a section's title) | "good" | "warn" | "bad" | "dim"."""

    text: str
    style: str = ""


def pair(label: str, value: str, width: int, style: str = "") -> list[Line]:
    """``label   value``, the value wrapped beside its label; a long label has a line of its own."""
    room = max(20, width - LABEL)
    parts = textwrap.wrap(printable(value, 1000), room, break_on_hyphens=False) or [""]
    if len(label) >= LABEL:
        return [Line(label, style), *pair("", value, width, style)]
    heads = [f"{label:<{LABEL}}"] + [" " * LABEL] * (len(parts) - 1)
    return [Line(f"{head}{part}".rstrip(), style) for head, part in zip(heads, parts, strict=True)]


def pairs(rows: Iterable[tuple[str, str]], width: int) -> list[Line]:
    """``pair`` for each."""
    return [line for label, value in rows for line in pair(label, value, width)]


def section(title: str, lines: list[Line]) -> list[Line]:
    """A titled section behind a blank line; nothing when it has nothing to say."""
    return [Line(""), Line(title, "head"), *lines] if lines else []
