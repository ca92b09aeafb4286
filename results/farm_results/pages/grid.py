"""A table as data: what a page shows in rows, what stands behind a chart, and what its CSV holds."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.text import printable

# A spreadsheet runs a cell that begins like this (OWASP, "CSV Injection"); a leading ' makes it text.
_FORMULA = ("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_LIMIT = 32_000
_TEXTS = ("text", "marks", "code")


@dataclass(frozen=True)
class Column:
    """``kind`` says what the cells hold and how they read: text, code, marks, ns, ns5 (with five digits), us,
    s, bytes, j, w, c, hz, count, number, shown (a number that
    reads as it says), share (0.031 reads 3.1 %), change (+3.1 %), time (unix seconds)."""

    name: str
    kind: str = "text"

    @property
    def align(self) -> str:
        """Words left, numbers right."""
        return "left" if self.kind in _TEXTS else "right"


@dataclass(frozen=True)
class Link:
    """A cell that leads somewhere. ``href`` is made by farm, never taken from a store."""

    text: str
    href: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Grid:
    """Cells are text, numbers (in base units), None, Link or Marks. ``note`` says what is left out."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""

    def __bool__(self) -> bool:
        return bool(self.rows)


def grid(columns: Mapping[str, str], rows: Sequence[Sequence[Any]], note: str = "") -> Grid:
    """A grid from ``{name: kind}`` and its rows."""
    return Grid(
        tuple(Column(name, kind) for name, kind in columns.items()), tuple(tuple(row) for row in rows), note
    )


def bounded(found: Grid, most: int) -> Grid:
    """The first ``most`` rows, saying so where rows are left out."""
    if len(found.rows) <= most:
        return found
    left_out = f"{len(found.rows) - most} more rows are not shown"
    return Grid(found.columns, found.rows[:most], "; ".join(filter(None, (found.note, left_out))))


def csv_text(found: Grid) -> str:
    """The rows as RFC 4180: numbers in full in base units, which the headings name."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow([_safe(_heading(column)) for column in found.columns])
    for row in found.rows:
        writer.writerow([_safe(cell) for cell in row])
    return out.getvalue()


def _heading(column: Column) -> str:
    return (
        column.name
        if column.kind in (*_TEXTS, "count", "number")
        else f"{column.name} [{column.kind.removesuffix('5')}]"
    )


def _safe(cell: Any) -> Any:  # noqa: ANN401 - text or a number
    if cell is None or isinstance(cell, (int, float)):
        return cell
    plain = printable(str(cell), _LIMIT)
    return f"'{plain}" if plain.lstrip(" ").startswith(_FORMULA) else plain
