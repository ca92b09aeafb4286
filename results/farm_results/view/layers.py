"""The slowest layers, in as many columns as there is room for."""

from __future__ import annotations

from farm_results import layers
from farm_results.model import Result
from farm_results.report.rows import Table
from farm_results.view import Line, pair

# The first to go where the line is too short.
_SPARE = ("kernel", "median", "operator", "prec", "unit")
_LEAST_NAME = 16


def lines(result: Result, width: int) -> list[Line]:
    """The table below its coverage, or that there is none."""
    table = layers.layer_rows(result)
    found = [
        line for text in layers.layer_lines(result) for line in pair("", text.removeprefix("layers: "), width)
    ]
    if table is None:
        return found or pair("", "none were timed: farm bench --profile-ops times them", width)
    return [*found, *_laid_out(table, width)]


def _laid_out(table: Table, width: int) -> list[Line]:
    shown = [k for k, name in enumerate(table.columns) if any(row[k].strip() for row in table.rows)]
    for spare in _SPARE:
        if sum(_widths(table, shown)[1:]) + _LEAST_NAME + 2 * (len(shown) - 1) <= width:
            break
        shown = [k for k in shown if table.columns[k] != spare]
    widths = _widths(table, shown)
    widths[0] = max(8, min(widths[0], width - sum(widths[1:]) - 2 * (len(shown) - 1)))
    rows = [table.columns, *table.rows]
    return [
        Line(
            "  ".join(
                _cell(row[k], size, table.align[k]) for k, size in zip(shown, widths, strict=True)
            ).rstrip(),
            "dim" if number == 0 else "",
        )
        for number, row in enumerate(rows)
    ]


def _widths(table: Table, shown: list[int]) -> list[int]:
    return [max(len(table.columns[k]), *(len(row[k]) for row in table.rows)) for k in shown]


def _cell(text: str, size: int, side: str) -> str:
    """A name too long keeps its end, where layers differ."""
    cut = text if len(text) <= size else "…" + text[len(text) - size + 1 :]
    return cut.rjust(size) if side == "right" else cut.ljust(size)
