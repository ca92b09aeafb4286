"""One series over its nights: each number with its interval, what it is held against, and what happened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.pages.chart import (
    ACCENT,
    BAND,
    DIM,
    INK,
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
LABEL_PX, LABEL_ROWS = 14, 3
NO_NUMBER = ", no number"
INTERVAL = "95 % interval"


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
        legend={"top": 4, "type": "scroll", "data": _legend(shown, band)},
        xAxis={"type": "time", "axisLabel": {"hideOverlap": True}},
        yAxis=value_axis(unit),
        dataZoom=[{"type": "inside"}, {"type": "slider", "height": 18, "bottom": 6}],
        series=[*_by_verdict(shown, size), _intervals(shown, size), _band(band, size), _steps(steps, shown)],
    )
    option["grid"] |= {"bottom": 40, "top": 48 + (LABEL_PX * LABEL_ROWS if steps else 0)}
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
            "data": _line(points, size),
        }
    ]
    lowest = min((point.value for point in points if point.value is not None), default=0.0)
    for word in _words(points):
        own = [p for p in points if _word(p) == word]
        found.append(
            {
                "type": "scatter",
                "name": _name(word, own),
                "symbol": "rect" if word.endswith(NO_NUMBER) else SYMBOLS.get(word, "circle"),
                "symbolSize": 8,
                "itemStyle": {"color": WORD_COLOURS.get(word.removesuffix(NO_NUMBER), ACCENT)},
                "data": [
                    [p.at_unix_s * 1e3, short((lowest if p.value is None else p.value) / size)] for p in own
                ],
            }
        )
    return found


def _line(points: Sequence[Point], size: float) -> list[list[float | None]]:
    """The measured points in order, broken where a night has no number and where the surroundings changed:
    nothing is known in between."""
    found: list[list[float | None]] = []
    before: Point | None = None
    for point in points:
        if found and (point.value is None or (before is not None and before.segment != point.segment)):
            found.append([found[-1][0], None])
        if point.value is not None:
            found.append([point.at_unix_s * 1e3, short(point.value / size)])
        before = point
    return found


def _word(point: Point) -> str:
    """What its mark says; a night without a number has its own, at the bottom of the chart."""
    if point.value is None:
        return f"{point.status or 'unknown'}{NO_NUMBER}"
    return point.verdict or point.status


def _words(points: Sequence[Point]) -> list[str]:
    return list(dict.fromkeys(map(_word, points)))


def _name(word: str, own: Sequence[Point]) -> str:
    return f"{label(word)}{' SIMULATED' if any(point.origin for point in own) else ''}"


def _legend(points: Sequence[Point], band: Band | None) -> list[str]:
    names = [_name(word, [p for p in points if _word(p) == word]) for word in _words(points)]
    return [*names, INTERVAL, *([label(band.label)] if band is not None else [])]


def _intervals(points: Sequence[Point], size: float) -> dict[str, Any]:
    known = [p for p in points if None not in (p.value, p.low, p.high)]
    return {
        "type": "custom",
        "name": INTERVAL,
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
        "symbol": "none",
        "lineStyle": {"type": "dashed", "color": ACCENT},
        "itemStyle": {"color": ACCENT},
        "markArea": {
            "silent": True,
            "itemStyle": {"color": BAND},
            "data": [[{"yAxis": short(band.low / size)}, {"yAxis": short(band.high / size)}]],
        },
        "markLine": {
            "silent": True,
            "symbol": "none",
            "lineStyle": {"color": ACCENT, "type": "dashed"},
            "label": {"show": False},
            "data": [{"yAxis": short(band.centre / size)}],
        },
    }


def _steps(steps: Sequence[Step], points: Sequence[Point]) -> dict[str, Any]:
    first, last = (points[0].at_unix_s, points[-1].at_unix_s) if points else (0.0, 0.0)
    share = [(step.at_unix_s - first) / (last - first) if last > first else 0.5 for step in steps]
    return {
        "type": "line",
        "name": "what happened",
        "data": [],
        "markLine": {
            "symbol": "none",
            "lineStyle": {"color": WORD_COLOURS["invalid"], "type": "solid"},
            "data": [_mark(step, index, share[index]) for index, step in enumerate(steps)],
        },
    }


def _mark(step: Step, index: int, share: float) -> dict[str, Any]:
    """Its label above the chart, in one of three rows, so that neighbours can be read; ``share``: how far to
    the right it stands, so that no narrow window cuts it off."""
    found: dict[str, Any] = {
        "xAxis": step.at_unix_s * 1e3,
        "label": {
            "formatter": label(step.label, 36),
            "color": INK,
            "fontSize": 11,
            "distance": 4 + LABEL_PX * (index % LABEL_ROWS),
            "align": "left" if share < 1 / 3 else "right" if share > 2 / 3 else "center",
        },
    }
    if step.kind not in ("change point", "finding"):
        found["lineStyle"] = {"color": DIM, "type": "dashed"}
    return found


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
