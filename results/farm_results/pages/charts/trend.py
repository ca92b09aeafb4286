"""One series over its nights: each number with its interval, what it is held against, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.pages.chart import (
    ACCENT,
    BAND,
    DIM,
    SYMBOLS,
    WORD_COLOURS,
    Chart,
    base,
    label,
    short,
    time_unit,
    value_axis,
)
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks
from farm_results.point import Point

MOST_POINTS = 1000


@dataclass(frozen=True)
class Band:
    """What the series is held against, and how far it may lie from it by its own noise."""

    centre: float
    low: float
    high: float
    label: str = "baseline"


@dataclass(frozen=True)
class Step:
    """Something that happened: a change point, a change of the surroundings, a finding."""

    at_unix_s: float
    label: str
    kind: str = "change point"


def chart(
    points: Sequence[Point],
    *,
    metric: str,
    name: str = "trend",
    title: str = "Trend",
    band: Band | None = None,
    steps: Sequence[Step] = (),
) -> Chart:
    """At most ``MOST_POINTS`` points: of more, the lowest and the highest of each slice of time."""
    shown = kept(points, MOST_POINTS)
    unit, size = _unit(metric, shown)
    option = base(
        legend={"top": 4, "type": "scroll"},
        xAxis={"type": "time"},
        yAxis=value_axis(unit),
        dataZoom=[{"type": "inside"}, {"type": "slider", "height": 18, "bottom": 6}],
        series=[*_by_verdict(shown, size), _intervals(shown, size), _band(band, size), _steps(steps)],
    )
    option["grid"] |= {"bottom": 40}
    note = "" if len(shown) == len(points) else f"{len(shown)} of {len(points)} points: extremes are kept"
    return Chart(name, title, option, _grid(points, metric), note, height_px=360, log_axis="y")


def kept(points: Sequence[Point], most: int) -> list[Point]:
    """At most ``most`` points in their order: of each slice the lowest and the highest, and one that has no
    value, so that a failed night does not vanish."""
    if len(points) <= most:
        return list(points)
    slices, found = max(1, most // 3), []
    for index in range(slices):
        part = points[index * len(points) // slices : (index + 1) * len(points) // slices]
        valued = [point for point in part if point.value is not None]
        picked = [min(valued, key=_value), max(valued, key=_value)] if valued else []
        picked += [point for point in part if point.value is None][:1]
        found += sorted({id(point): point for point in picked}.values(), key=lambda p: p.at_unix_s)
    return found


def _value(point: Point) -> float:
    return 0.0 if point.value is None else point.value


def _unit(metric: str, points: Sequence[Point]) -> tuple[str, float]:
    return time_unit([point.value for point in points]) if metric.endswith("_ns") else (label(metric), 1.0)


def _by_verdict(points: Sequence[Point], size: float) -> list[dict[str, Any]]:
    """A line of all measured points, and their marks by verdict, each word with its own shape."""
    found: list[dict[str, Any]] = [
        {
            "type": "line",
            "name": "all",
            "showSymbol": False,
            "silent": True,
            "lineStyle": {"color": DIM, "width": 1},
            "data": [[p.at_unix_s * 1e3, short(_value(p) / size)] for p in points if p.value is not None],
        }
    ]
    words = {point.verdict or point.status: None for point in points if point.value is not None}
    for word in words:
        own = [p for p in points if p.value is not None and (p.verdict or p.status) == word]
        made_up = any(point.origin for point in own)
        found.append(
            {
                "type": "scatter",
                "name": f"{label(word)}{' SIMULATED' if made_up else ''}",
                "symbol": SYMBOLS.get(word, "circle"),
                "symbolSize": 8,
                "itemStyle": {"color": WORD_COLOURS.get(word, ACCENT)},
                "data": [[p.at_unix_s * 1e3, short(_value(p) / size)] for p in own],
            }
        )
    return found


def _intervals(points: Sequence[Point], size: float) -> dict[str, Any]:
    known = [p for p in points if p.low is not None and p.high is not None]
    return {
        "type": "custom",
        "name": "95 % interval",
        "renderItem": "@render:interval-y",
        "silent": True,
        "itemStyle": {"color": DIM},
        "encode": {"x": 0, "y": [1, 2]},
        "data": [[p.at_unix_s * 1e3, short((p.low or 0) / size), short((p.high or 0) / size)] for p in known],
    }


def _band(band: Band | None, size: float) -> dict[str, Any]:
    if band is None:
        return {"type": "line", "data": []}
    return {
        "type": "line",
        "name": label(band.label),
        "data": [],
        "itemStyle": {"color": BAND},
        "markArea": {
            "silent": True,
            "itemStyle": {"color": BAND},
            "data": [[{"yAxis": short(band.low / size)}, {"yAxis": short(band.high / size)}]],
        },
        "markLine": {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"color": ACCENT, "type": "dashed"},
            "label": {"formatter": label(band.label), "position": "insideEndTop"},
            "data": [{"yAxis": short(band.centre / size)}],
        },
    }


def _steps(steps: Sequence[Step]) -> dict[str, Any]:
    return {
        "type": "line",
        "name": "what happened",
        "data": [],
        "markLine": {
            "symbol": "none",
            "lineStyle": {"color": WORD_COLOURS["invalid"], "type": "solid"},
            "data": [
                {"xAxis": step.at_unix_s * 1e3, "label": {"formatter": label(step.label)}} for step in steps
            ],
        },
    }


def _grid(points: Sequence[Point], metric: str) -> Any:  # noqa: ANN401 - a Grid
    kind = "ns" if metric.endswith("_ns") else "number"
    columns = {"when": "time", "value": kind, "low": kind, "high": kind, "verdict": "marks", "job": "code"}
    columns |= {"runtime version": "text", "segment": "code"}
    rows = [
        (
            p.at_unix_s,
            p.value,
            p.low,
            p.high,
            marks(p.verdict or p.status, origin=p.origin),
            p.job_id,
            p.runtime_version,
            p.segment,
        )
        for p in points
    ]
    return grid(columns, rows)
