"""What one pays for what: latency, energy, size and accuracy against each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_results.model import Result
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
from farm_results.pages.grid import grid
from farm_results.pages.marks import SIMULATED, Marks, marks_of

LOWER, HIGHER = "lower", "higher"
# Numbers that may not be believed are shown, and cannot be a best choice.
BELIEVED = ("valid", "noisy")
MOST_ITEMS = 500
LABEL_PX = 14
# Metrics whose value is a share; errors and metrics of the users' own have another scale.
SHARES = ("top-1", "top-5", "f1")


@dataclass(frozen=True)
class Axis:
    """``scale``: one of the axis' unit in the base unit; ``kind``: of a column of a grid."""

    name: str
    unit: str
    scale: float
    kind: str
    better: str = LOWER


_UNITS = {
    "bytes": (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)),
    "j": (("J", 1.0), ("mJ", 1e-3), ("µJ", 1e-6)),
}
AXES = {
    "p50_ns": Axis("latency p50", "ms", 1e6, "ns"),
    "throughput_best_per_s": Axis("throughput", "1/s", 1.0, "number", HIGHER),
    "energy_j": Axis("energy", "mJ", 1e-3, "j"),
    "artifact_bytes": Axis("size", "MB", 1e6, "bytes"),
    "peak_memory_bytes": Axis("peak memory", "MB", 1e6, "bytes"),
    "accuracy": Axis("accuracy", "%", 0.01, "share", HIGHER),
}


@dataclass(frozen=True)
class Item:
    """One configuration. ``values`` by the names of ``AXES``; what was not measured is absent."""

    label: str
    group: str
    values: Mapping[str, float]
    marks: Marks
    word: str = "valid"
    job_id: str = ""


def item_of(result: Result, name: str) -> Item:
    """A result as a configuration, called ``name``; an accuracy that is no share is left out, and so is the
    time of another scenario than the closed loop."""
    from farm_results.series import number_of
    from farm_results.storage.columns import energy_of

    number = number_of(result)
    found = {
        number.metric: number.value if comparable(number.metric, result.scenario) else None,
        "energy_j": energy_of(result),
        "artifact_bytes": result.artifact_bytes,
        "peak_memory_bytes": result.peak_memory_bytes,
        "accuracy": result.accuracy if result.accuracy_metric in SHARES else None,
    }
    values = {key: float(value) for key, value in found.items() if value is not None and key in AXES}
    word = result.verdict.word if result.status == "ok" else result.status
    return Item(name, result.device, values, marks_of(result), word, result.job_id)


def comparable(metric: str, scenario: str) -> bool:
    """Whether a series' number belongs on an axis: a paced p50 is another time than a closed loop's."""
    return metric != "p50_ns" or scenario == "latency"


def front(items: Sequence[Item], names: Sequence[str]) -> list[bool]:
    """For each item whether no other believed one is at least as good in all of ``names`` and better in one.

    An item that lacks one of the numbers, or may not be believed, is never on the front.
    """
    able = np.array([i.word in BELIEVED and all(name in i.values for name in names) for i in items], bool)
    signs = [-1.0 if AXES[name].better == HIGHER else 1.0 for name in names]
    costs = np.array(
        [[s * i.values.get(n, 0.0) for s, n in zip(signs, names, strict=True)] for i in items], np.float64
    ).reshape(len(items), len(names))
    rivals = costs[able]

    def beaten(own: npt.NDArray[np.float64]) -> bool:
        return bool(((rivals <= own).all(axis=1) & (rivals < own).any(axis=1)).any())

    return [bool(able[index]) and not beaten(costs[index]) for index in range(len(items))]


def axes_of(items: Sequence[Item]) -> tuple[str, str]:
    """The two numbers that say most: latency (or throughput), against the first that varies of accuracy,
    energy, size and memory."""
    x = "p50_ns" if any("p50_ns" in item.values for item in items) else "throughput_best_per_s"
    for name in ("accuracy", "energy_j", "artifact_bytes", "peak_memory_bytes"):
        if len({item.values[name] for item in items if name in item.values}) > 1:
            return x, name
    return x, "peak_memory_bytes"


def chart(
    items: Sequence[Item],
    *,
    x: str = "",
    y: str = "",
    name: str = "pareto",
    title: str = "What one pays for what",
) -> Chart:
    """A dot per configuration: colour and legend by device, size by the artifact's bytes, the front joined
    by a line, all others dimmed."""
    usual = axes_of(items)
    x, y = x or usual[0], y or usual[1]
    placed = [item for item in items if x in item.values and y in item.values][:MOST_ITEMS]
    best = front(placed, (x, y))
    groups = list(dict.fromkeys(item.group for item in placed))
    view = _View((x, y), (shown_in(x, placed), shown_in(y, placed)))
    moved = _moved(placed, best, y)
    series = [_dots(placed, best, group, index, view, moved) for index, group in enumerate(groups)]
    series.append(_line(placed, best, view))
    option = base(
        legend={"top": 4, "type": "scroll"},
        xAxis=_axis(view.axes[0], nameLocation="middle", nameGap=28),
        yAxis=_axis(view.axes[1]),
        series=series,
    )
    option["grid"] |= {"bottom": 36, "top": 62}
    option["tooltip"] |= {"trigger": "item", "formatter": "@format:point"}
    missing = len(items) - len(placed)
    note = f"{missing} without both numbers are in the table only" if missing else ""
    return Chart(name, title, option, _grid(items, (x, y)), note, height_px=380, log_axis="x")


def shown_in(name: str, items: Sequence[Item]) -> Axis:
    """The axis in the unit in which the middle of these values reads best."""
    own = AXES[name]
    values = sorted(item.values[name] for item in items if name in item.values)
    middle = values[len(values) // 2] if values else 0.0
    if name == "p50_ns":
        unit, scale = time_unit(values)
        return replace(own, unit=unit, scale=scale)
    units = _UNITS.get(own.kind, ())
    return next((replace(own, unit=u, scale=s) for u, s in units if middle >= s), own)


def _axis(own: Axis, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - ECharts' own keys
    arrow = "less is better" if own.better == LOWER else "more is better"
    return value_axis(f"{own.name}, {own.unit} ({arrow})", nameTextStyle={"align": "left"}, **more) | (
        {"nameTextStyle": {}} if more else {}
    )


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


def _grid(items: Sequence[Item], axes: tuple[str, str]) -> Any:  # noqa: ANN401 - a Grid
    names = [name for name in AXES if any(name in item.values for item in items)]
    best = front(items, axes)
    columns = {"configuration": "text", "device": "text"}
    columns |= {AXES[name].name: AXES[name].kind for name in names} | {"best": "text", "verdict": "marks"}
    rows = [
        (item.label, item.group, *(item.values.get(n) for n in names), "yes" if good else "", item.marks)
        for item, good in zip(items, best, strict=True)
    ]
    return grid(columns, rows)
