"""Tables that fit the terminal: columns wrap between words only, and a number never leaves its unit.

Where even that does not fit, each row becomes a short block of ``column value`` pairs.
"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Mapping, Sequence

GAPS = (3, 2, 1)
"""Blanks between two columns: the most that there is room for."""

MAX_WORD = 24
"""Longer words (hashes, paths) are broken rather than push the other columns out."""

EMPTY = ("", "–", "-")
"""Cells that say nothing; a block leaves them out."""

_HELD = re.compile(r" (?!\()")
_NO_BREAK = "\u00a0"


def print_fitting(
    columns: Sequence[str], rows: Sequence[Sequence[str]], title: str, align: Mapping[str, str]
) -> None:
    """Print clean text on the terminal that standard output is; ``align`` as in ``print_table``."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=sys.stdout, highlight=False)
    held = [[_hold(cell, align.get(name)) for name, cell in zip(columns, row, strict=True)] for row in rows]
    found = fit(columns, held, console.width)
    if title:
        console.print(Text(title, style="italic"))
    if found is None:
        for line in blocks(columns, rows, align, console.width):
            console.print(Text(line), soft_wrap=True)
        return
    gap, widths = found
    with console.capture() as captured:
        console.print(_grid(columns, held, align, gap, widths))
    sys.stdout.write(captured.get().replace(_NO_BREAK, " "))


def fit(
    columns: Sequence[str], rows: Sequence[Sequence[str]], width: int
) -> tuple[int, tuple[int, ...]] | None:
    """The gap and each column's width in characters, or None where some word would have to break."""
    cells = [[column, *(row[k] for row in rows)] for k, column in enumerate(columns)]
    natural = [max(_length(text) for text in texts) for texts in cells]
    least = [min(MAX_WORD, max(_longest_word(text) for text in texts)) for texts in cells]
    for gap in GAPS:
        room = width - gap * (len(columns) - 1)
        if sum(natural) <= room:
            return gap, tuple(natural)
    if sum(least) > room:
        return None
    widths = natural
    while sum(widths) > room:
        # Level the widest columns that can still wrap: long text gives way before short words do.
        wide = max((k for k in range(len(widths)) if widths[k] > least[k]), key=lambda k: widths[k])
        widths[wide] = max(least[wide], widths[wide] - (sum(widths) - room), _second(widths, least, wide) - 1)
    return gap, tuple(widths)


def blocks(
    columns: Sequence[str], rows: Sequence[Sequence[str]], align: Mapping[str, str], width: int
) -> list[str]:
    """Per row one line with its names (what stands before the first number, else the first column), then the
    rest as ``column value`` pairs, as many as fit a line."""
    numbers = (k for k, name in enumerate(columns) if align.get(name) == "right")
    first = next(numbers, 1)
    lines: list[str] = []
    for row in rows:
        lines += _wrapped("  ".join(cell for cell in row[:first] if cell), width, "")
        line = ""
        for name, cell in zip(columns[first:], row[first:], strict=True):
            if cell in EMPTY:
                continue
            pair = f"{name} {cell}"
            if line and len(line) + 3 + len(pair) > width:
                lines += _wrapped(line, width, "  ")
                line = ""
            line = f"{line}   {pair}" if line else f"  {pair}"
        lines += [*_wrapped(line, width, "  "), ""] if line else [""]
    return lines[:-1]


def _wrapped(line: str, width: int, indent: str) -> list[str]:
    """As it is where it fits, else between words; what is too wide even so is the terminal's to break."""
    if len(line) <= width:
        return [line]
    more = f"{indent}  " if indent else ""
    return textwrap.wrap(
        line.strip(),
        width,
        initial_indent=indent,
        subsequent_indent=more,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _grid(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    align: Mapping[str, str],
    gap: int,
    widths: Sequence[int],
) -> object:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, padding=(0, gap - 1, 0, 0), pad_edge=False, show_edge=False)
    for name, column_width in zip(columns, widths, strict=True):
        justify = align.get(name, "left")
        table.add_column(Text(name), justify=justify, width=column_width, overflow="fold")  # type: ignore[arg-type]
    for row in rows:
        table.add_row(*map(Text, row))
    return table


def _hold(cell: str, side: str | None) -> str:
    """A right-aligned cell wraps at most before a bracket: ``98.6 % (n=360)`` after the ``%``."""
    return _HELD.sub(_NO_BREAK, cell) if side == "right" else cell


def _longest_word(text: str) -> int:
    return max((_length(word) for word in text.split(" ")), default=0)


def _length(text: str) -> int:
    from rich.cells import cell_len

    return cell_len(text)


def _second(widths: Sequence[int], least: Sequence[int], wide: int) -> int:
    others = [size for k, size in enumerate(widths) if k != wide and size > least[k]]
    return min(widths[wide], max(others, default=0))
