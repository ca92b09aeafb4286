"""What one pays for what: latency, energy, size and accuracy against each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from farm_results.pages.chart import (
    ACCENT,
    DIM,
    INK,
    SYMBOLS,
    Chart,
    base,
    label,
    series_colour,
    short,
    time_unit,
    value_axis,
)
from farm_results.pages.charts.items import ACCURACY, AXES, ENERGY, LOWER, Axis, Item, front, kinds_of, places
from farm_results.pages.grid import Grid, grid
from farm_results.pages.marks import SIMULATED

MOST_ITEMS = 500
# Between labels of dots at one height, and above the highest dots, so that the axis' name can be read.
LABEL_PX, TOP_PX = 14, 20
_UNITS = {
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
    "j": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
}


def axes_of(items: Sequence[Item], place: str = "") -> tuple[str, str]:
    """The two numbers that say most: latency (or throughput), against the first that varies of accuracy,
    energy, size and memory, as far as its numbers can be held against each other."""
    x = "p50_ns" if any("p50_ns" in item.values for item in items) else "throughput_best_per_s"
    kinds = kinds_of(items, place)
    for name in (ACCURACY, ENERGY, "artifact_bytes", "peak_memory_bytes"):
        own = [item for item in items if name in item.values and item.kind(name) == kinds.get(name, "")]
        if len({item.values[name] for item in own}) > 1:
            return x, name
    return x, "peak_memory_bytes"


def by_place(items: Sequence[Item]) -> list[tuple[str, list[Item]]]:
    """What to draw in a chart of its own each: by energy, one for each place that has two numbers to hold
    against each other. The first has everything that has no other."""
    usual = places(items) if ENERGY in axes_of(items) else []
    found = [(place, [item.at(place) for item in items if place in item.energies]) for place in usual]
    more = [(place, own) for place, own in found[1:] if len(own) > 1]
    told = {item.job_id for _, own in more for item in own}
    first = usual[0] if usual else ""
    rest = [item.at(first) for item in items if first in item.energies or item.job_id not in told]
    return [(first, rest), *more]


def chart(
    items: Sequence[Item],
    *,
    x: str = "",
    y: str = "",
    place: str = "",
    name: str = "pareto",
    title: str = "What one pays for what",
) -> Chart:
    """A dot per configuration: colour and legend by device, size by the artifact's bytes, the front joined
    by a line, all others dimmed. An axis of energy holds what was measured at one place (``place``, or the
    first of ``places``), one of accuracy what is of one metric."""
    usual = axes_of(items, place)
    x, y = x or usual[0], y or usual[1]
    both = [item for item in items if x in item.values and y in item.values]
    kinds = {name: kind for name, kind in kinds_of(items, place).items() if name in (x, y)}
    placed = [item for item in both if all(item.kind(name) == kind for name, kind in kinds.items())]
    placed = placed[:MOST_ITEMS]
    best = front(placed, (x, y))
    groups = list(dict.fromkeys(item.group for item in placed))
    view = _View((x, y), (shown_in(x, placed, kinds), shown_in(y, placed, kinds)))
    moved = _moved(placed, best, y)
    above = _above(placed, moved, y)
    series = [_dots(placed, best, group, index, view, moved) for index, group in enumerate(groups)]
    series.append(_line(placed, best, view))
    option = base(
        legend={"top": 4, "type": "scroll"},
        xAxis=_axis(view.axes[0], nameLocation="middle", nameGap=28),
        yAxis=_axis(view.axes[1], nameGap=TOP_PX + above, nameTextStyle={"align": "left"}),
        series=series,
    )
    option["grid"] |= {"bottom": 36, "top": 54 + TOP_PX + above}
    option["tooltip"] |= {"trigger": "item", "formatter": "@format:point"}
    table = _grid(items, (x, y))
    return Chart(name, title, option, table, _note(items, both, kinds), height_px=380, log_axis="x")


def _note(items: Sequence[Item], both: Sequence[Item], kinds: Mapping[str, str]) -> str:
    """What is in the table and not in the chart."""
    missing, told = len(items) - len(both), []
    if missing:
        told.append(f"{missing} without both numbers are in the table only")
    for axis, kind in kinds.items():
        others = Counter(item.kind(axis) for item in both if item.kind(axis) != kind)
        if others:
            which = ", ".join(f"{other}: {count}" for other, count in others.most_common())
            what = "energies measured elsewhere" if axis == ENERGY else "accuracies of another metric"
            told.append(f"{what} ({which}) are in the table only: none compares with {kind}")
    return "; ".join(told)


def shown_in(name: str, items: Sequence[Item], kinds: Mapping[str, str]) -> Axis:
    """The axis in the unit in which the middle of these values reads best; ``kinds``: what it is of."""
    own = AXES[name]
    if kinds.get(name):
        own = replace(own, name=f"{own.name} ({label(kinds[name], 40)})")
    values = sorted(item.values[name] for item in items if name in item.values)
    middle = values[len(values) // 2] if values else 0.0
    if name == "p50_ns":
        unit, scale = time_unit(values)
        return replace(own, unit=unit, scale=scale)
    units = _UNITS.get(own.kind, ())
    return next((replace(own, unit=u, scale=s) for u, s in units if middle >= s), own)


def _axis(own: Axis, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - ECharts' own keys
    arrow = "less is better" if own.better == LOWER else "more is better"
    return value_axis(f"{own.name}, {own.unit} ({arrow})", **more)


@dataclass(frozen=True)
class _View:
    """Which two numbers are drawn, and in which units."""

    names: tuple[str, str]
    axes: tuple[Axis, Axis]

    def place(self, item: Item) -> list[float]:
        """Where its dot stands."""
        pairs = zip(self.names, self.axes, strict=True)
        return [short(item.values[name] / axis.scale) or 0.0 for name, axis in pairs]


def _dots(
    items: Sequence[Item],
    best: Sequence[bool],
    group: str,
    index: int,
    view: _View,
    moved: Mapping[str, int],
) -> dict[str, Any]:
    own = [(item, good) for item, good in zip(items, best, strict=True) if item.group == group]
    largest = max((item.values.get("artifact_bytes", 0.0) for item in items), default=0.0)
    made_up = all(any(mark.word == SIMULATED for mark in item.marks.marks) for item, _ in own)
    # What is said of the whole group in the legend need not stand beside each of its dots.
    quiet = ("valid", SIMULATED) if made_up else ("valid",)
    across = [item.values[view.names[0]] for item in items]
    far = min(across) + 0.7 * (max(across) - min(across))

    def size(item: Item) -> int:
        share = item.values.get("artifact_bytes", 0.0) / largest if largest > 0 else 0.0
        return round(9 + 16 * math.sqrt(share))

    return {
        "type": "scatter",
        "labelLayout": "@layout:inside",
        "name": label(group, 40) + (" SIMULATED" if made_up else ""),
        "itemStyle": {"color": series_colour(index)},
        "dimensions": [f"{axis.name}, {axis.unit}" for axis in view.axes],
        "data": [
            {
                "name": f"{label(item.label)} {item.marks}",
                "value": view.place(item),
                "symbol": SYMBOLS.get(item.word, "circle"),
                "symbolSize": size(item),
                "itemStyle": {"opacity": 0.95 if good else 0.4},
                "label": {
                    "show": good or any(mark.word not in quiet for mark in item.marks.marks),
                    "position": "left" if item.values[view.names[0]] > far else "right",
                    "offset": [0, moved.get(item.label, 0)],
                    "formatter": f"{_loud(item)}{label(item.label, 34)}",
                    "color": INK if good else DIM,
                    "fontSize": 11,
                    "opacity": 1,
                    "textBorderColor": "@color:ground",
                    "textBorderWidth": 2,
                },
            }
            for item, good in own
        ],
    }


def _moved(items: Sequence[Item], best: Sequence[bool], y: str) -> dict[str, int]:
    """By how many pixels each label that is shown stands above its dot, so that those of dots at one height
    can be read, on a narrow screen as well."""
    every = [item.values[y] for item in items]
    near = 0.05 * (max(every, default=0.0) - min(every, default=0.0))
    shown = [
        item
        for item, good in zip(items, best, strict=True)
        if good or any(mark.word not in ("valid", SIMULATED) for mark in item.marks.marks)
    ]
    found: dict[str, int] = {}
    done: list[Item] = []
    for item in sorted(shown, key=lambda one: one.values[y]):
        beside = sum(abs(one.values[y] - item.values[y]) <= near for one in done)
        found[item.label] = -LABEL_PX * min(beside, 6)
        done.append(item)
    return found


def _above(items: Sequence[Item], moved: Mapping[str, int], y: str) -> int:
    """How far labels of dots at the top stand above the chart."""
    every = [item.values[y] for item in items]
    span = max(every, default=0.0) - min(every, default=0.0)
    top = [item for item in items if span and item.values[y] >= max(every) - 0.1 * span]
    return max((-moved.get(item.label, 0) for item in top), default=0)


def _loud(item: Item) -> str:
    """What cannot be hidden of a dot."""
    return "".join(f"{mark.text} " for mark in item.marks.marks if mark.word != "valid")


def _line(items: Sequence[Item], best: Sequence[bool], view: _View) -> dict[str, Any]:
    points = sorted(view.place(item) for item, good in zip(items, best, strict=True) if good)
    return {
        "type": "line",
        "name": "best of these",
        "data": points,
        "showSymbol": False,
        "silent": True,
        "itemStyle": {"color": ACCENT},
        "lineStyle": {"color": DIM, "type": "dashed"},
        "z": 1,
    }


_OF = {ENERGY: "energy covers", ACCURACY: "accuracy is"}
"""The column that says what a number is of."""


def columns_of(items: Sequence[Item]) -> dict[str, str]:
    """The columns of what is known of these, by name; behind an energy stands what it covers, and behind an
    accuracy its metric where there are several."""
    found: dict[str, str] = {}
    for name, axis in AXES.items():
        known = [item for item in items if name in item.values]
        found |= {axis.name: axis.kind} if known else {}
        if known and (name == ENERGY or len({item.kind(name) for item in known}) > 1):
            found[_OF[name]] = "text"
    return found


def cells_of(item: Item, columns: Mapping[str, str]) -> list[Any]:
    """One row of these columns."""
    known: dict[str, Any] = {axis.name: item.values.get(name) for name, axis in AXES.items()}
    known |= {_OF[name]: item.kind(name) if name in item.values else None for name in _OF}
    return [known[name] for name in columns]


def _grid(items: Sequence[Item], axes: tuple[str, str]) -> Grid:
    own, best = columns_of(items), front(items, axes)
    columns = {"configuration": "text", "device": "text"} | own | {"best": "text", "verdict": "marks"}
    rows = [
        (item.label, item.group, *cells_of(item, own), "yes" if good else "", item.marks)
        for item, good in zip(items, best, strict=True)
    ]
    return grid(columns, rows)
