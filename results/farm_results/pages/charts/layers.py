"""Where the time of an inference goes: layers by operator, what fell back, and what changed."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from farm_agent.messages.layers import Layer, LayerProfile
from farm_results.layers import typical_us
from farm_results.pages.chart import (
    Chart,
    base,
    beside_names,
    label,
    name_axis,
    on_series_colour,
    series_colour,
    short,
)
from farm_results.pages.grid import Grid, grid

MOST_LAYERS = 400
MOST_CHANGES = 25
FALLBACK = "@color:bad"


def treemap(profile: LayerProfile, *, name: str = "layers", title: str = "Time by layer") -> Chart:
    """An area per layer within its operator; what ran elsewhere than asked says so in its name."""
    timed = sorted(_timed(profile), key=lambda layer: -typical_us(layer))
    shown, rest = timed[:MOST_LAYERS], timed[MOST_LAYERS:]
    operators = list(dict.fromkeys(layer.op_type or "other" for layer in shown))
    nodes = []
    for index, operator in enumerate(operators):
        own = [layer for layer in shown if (layer.op_type or "other") == operator]
        nodes.append(
            {
                "name": label(operator, 40),
                "itemStyle": {"color": series_colour(index)},
                "children": [_leaf(layer, profile, index) for layer in own],
            }
        )
    option = base(
        series=[
            {
                "type": "treemap",
                "animation": False,  # its own default fades labels in, and paper does not wait
                "data": nodes,
                "roam": False,
                "nodeClick": False,
                "breadcrumb": {"show": False},
                "label": {"show": True, "fontSize": 11},
                "upperLabel": {"show": True, "height": 20, "color": "@color:ink"},
                "itemStyle": {"borderColor": "@color:ground", "borderWidth": 1, "gapWidth": 1},
                "left": 0,
                "right": 0,
                "top": 4,
                "bottom": 4,
            }
        ]
    )
    option["tooltip"] |= {"trigger": "item", "formatter": "{b}: {c} µs"}
    note = f"{len(rest)} smaller layers are in the table only" if rest else ""
    return Chart(name, title, option, table(profile), note, height_px=360)


def table(profile: LayerProfile) -> Grid:
    """Every layer that was timed, the slowest first, and after them what could not be."""
    timed = sorted(_timed(profile), key=lambda layer: -typical_us(layer))
    total = sum(map(typical_us, timed))
    columns = {"layer": "text", "operator": "text", "kernel": "text", "unit": "text", "precision": "text"}
    columns |= {"median": "us", "mean": "us", "share": "share"}
    rows = [
        (
            layer.name,
            layer.op_type,
            layer.kernel,
            f"{layer.unit} (fell back)" if fell_back(layer, profile) else layer.unit,
            layer.precision,
            layer.median_us,
            layer.mean_us,
            typical_us(layer) / total if total > 0 else None,
        )
        for layer in timed
    ]
    rows += [
        (layer.name, layer.op_type, layer.kernel, layer.unit, layer.precision, None, None, None)
        for layer in profile.layers
        if layer.mean_us is None and layer.status == "unprofilable"
    ]
    return grid(columns, rows)


def fell_back(layer: Layer, profile: LayerProfile) -> bool:
    """Whether another unit ran it than the job asked for."""
    return bool(profile.asked_unit and layer.unit and layer.unit != profile.asked_unit)


def changes(
    before: LayerProfile,
    after: LayerProfile,
    *,
    name: str = "layer-changes",
    title: str = "Time by layer, changed",
) -> Chart:
    """The layers whose time differs most between two profiles, by name and operator; the largest first."""
    old, new = _by_name(before), _by_name(after)
    rows: list[tuple[str, str, float | None, float | None, float]] = []
    for key in dict.fromkeys([*new, *old]):
        was, now = old.get(key), new.get(key)
        rows.append((key[0], key[1], was, now, (now or 0.0) - (was or 0.0)))
    rows.sort(key=lambda row: -abs(row[4]))
    shown = [row for row in rows[:MOST_CHANGES] if row[4]]
    names = name_axis([label(f"{_only(row)} {row[0]}".strip(), 50) for row in shown])
    option = base(
        xAxis={"type": "value", "name": "µs", "nameLocation": "middle", "nameGap": 26},
        yAxis=names,
        series=[
            {
                "type": "bar",
                "barMaxWidth": 16,
                "data": [
                    {
                        "value": short(row[4]),
                        "itemStyle": {"color": "@color:bad" if row[4] > 0 else "@color:good"},
                    }
                    for row in shown
                ],
            }
        ],
    )
    option["grid"] = beside_names(names, top=10)
    columns = {"layer": "text", "operator": "text", "before": "us", "after": "us", "difference": "us"}
    note = f"{len(rows) - len(shown)} smaller changes are in the table only" if len(rows) > len(shown) else ""
    return Chart(name, title, option, grid(columns, rows), note, height_px=70 + 24 * len(shown))


def _only(row: Sequence[Any]) -> str:
    return "(new)" if row[2] is None else "(gone)" if row[3] is None else ""


def _timed(profile: LayerProfile) -> list[Layer]:
    return [layer for layer in profile.layers if layer.mean_us is not None]


def _by_name(profile: LayerProfile) -> dict[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for layer in _timed(profile):
        key = (layer.name, layer.op_type)
        found[key] = found.get(key, 0.0) + typical_us(layer)
    return found


def _leaf(layer: Layer, profile: LayerProfile, index: int) -> dict[str, Any]:
    fallback = fell_back(layer, profile)
    told = f"FELL BACK to {label(layer.unit, 30)}: " if fallback else ""
    name = told + label(layer.name, 60)
    leaf: dict[str, Any] = {"name": name, "value": short(typical_us(layer), 4)}
    leaf["label"] = {"color": on_series_colour(index)}
    return leaf | ({"itemStyle": {"borderColor": FALLBACK, "borderWidth": 3}} if fallback else {})
