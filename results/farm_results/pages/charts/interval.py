"""Numbers beside each other, each a dot with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.pages.chart import (
    ACCENT,
    DIM,
    SYMBOLS,
    WORD_COLOURS,
    Chart,
    base,
    beside_names,
    label,
    name_axis,
    short,
    time_unit,
    value_axis,
)
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

MOST_ROWS = 60
ROW_PX, MANY_ROWS, NARROW_ROW_PX = 30, 12, 20


@dataclass(frozen=True)
class Row:
    """``word``: its verdict, "" where it has none of its own; ``value`` in nanoseconds, or a ratio."""

    label: str
    value: float
    low: float | None = None
    high: float | None = None
    word: str = "valid"
    origin: str = ""


def chart(
    rows: Sequence[Row],
    *,
    name: str = "intervals",
    title: str = "p50 with its 95 % interval",
    ratio: bool = False,
) -> Chart:
    """Dots in the rows' order, the first on top. ``ratio``: values are ratios, drawn against a line at 1."""
    shown = list(rows[:MOST_ROWS])
    unit, size = ("ratio", 1.0) if ratio else time_unit([row.value for row in shown])
    words = dict.fromkeys((row.word, bool(row.origin)) for row in shown)
    series = [_dots(shown, word, made_up, size) for word, made_up in words]
    series.append(_bars(shown, size))
    if ratio and series:
        line = {"symbol": "none", "silent": True, "lineStyle": {"color": DIM, "type": "dashed"}}
        series[-1]["markLine"] = {**line, "data": [{"xAxis": 1}], "label": {"show": False}}
    names = name_axis([_row_label(row) for row in shown])
    option = base(
        legend={"top": 4, "data": [_name(word, made_up) for word, made_up in words]},
        xAxis=value_axis(unit, nameLocation="middle", nameGap=28),
        yAxis=names,
        series=series,
    )
    option["grid"] = beside_names(names)
    option["tooltip"] |= {"trigger": "item"}
    kind = "number" if ratio else "ns5"
    cells = [(r.label, r.value, r.low, r.high, marks(r.word, origin=r.origin)) for r in rows]
    table = grid({"what": "text", "value": kind, "low": kind, "high": kind, "verdict": "marks"}, cells)
    each_px = ROW_PX if len(shown) <= MANY_ROWS else NARROW_ROW_PX
    note = f"{len(rows) - len(shown)} more rows are in the table only" if len(rows) > len(shown) else ""
    return Chart(name, title, option, table, note, height_px=110 + each_px * len(shown), log_axis="x")


def _row_label(row: Row) -> str:
    """What is wrong with a number stands beside its name, not in its colour alone."""
    own = "" if row.word in ("", "valid", "same") else f"{row.word.upper()} "
    made_up = "SIMULATED " if row.origin else ""
    return made_up + label(own, 20) + label(row.label, 70)


def _name(word: str, made_up: bool) -> str:  # noqa: FBT001
    return label(word or "measured") + (" SIMULATED" if made_up else "")


def _dots(rows: Sequence[Row], word: str, made_up: bool, size: float) -> dict[str, Any]:  # noqa: FBT001
    own = [(i, r) for i, r in enumerate(rows) if r.word == word and bool(r.origin) == made_up]
    return {
        "type": "scatter",
        "name": _name(word, made_up),
        "symbol": SYMBOLS.get(word, "circle"),
        "symbolSize": 11,
        "itemStyle": {"color": WORD_COLOURS.get(word, ACCENT)},
        "dimensions": ["value", "row"],
        "data": [[short(row.value / size), index] for index, row in own],
        "z": 3,
    }


def _bars(rows: Sequence[Row], size: float) -> dict[str, Any]:
    known = [(i, r) for i, r in enumerate(rows) if r.low is not None and r.high is not None]
    return {
        "type": "custom",
        "name": "interval",
        "renderItem": "@render:interval-x",
        "silent": True,
        "itemStyle": {"color": DIM},
        "encode": {"x": [0, 1], "y": 2},
        "data": [[short((r.low or 0) / size), short((r.high or 0) / size), i] for i, r in known],
    }
