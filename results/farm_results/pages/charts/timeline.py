"""What happened while a job ran: latency, temperature, clock and power on one axis of time."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from farm_results import text
from farm_results.pages.chart import DIM, Chart, base, label, series_colour, short, time_unit
from farm_results.pages.charts.joined import Slice, joined
from farm_results.pages.grid import Grid, grid
from farm_results.view.raw import Process

SLICES = 240
LEAST_SLICES = 20
# From this ratio of the slowest run to a typical one the axis of the latency is logarithmic.
LOG_FROM = 20.0
MOST_CHANNELS = 4
# From so many times the measured time on, the pauses between processes are shortened.
MOST_PAUSES = 4
PANEL_PX, TOP_PX, GAP_PX = 130, 66, 34
_KINDS: dict[str, tuple[str, float, str]] = {
    "temperature_c": ("temperature", 1.0, "°C"),
    "frequency_khz": ("clock", 1e6, "GHz"),
    "power_w": ("power", 1.0, "W"),
    "throttle_state": ("throttling", 1.0, "state"),
}
"""Kind of a channel: (what it is called, how much of its unit one of ours is, our unit)."""


@dataclass(frozen=True)
class Line:
    """One line of a panel, in the panel's unit: a part per process, since nothing is known in between."""

    name: str
    parts: tuple[tuple[Slice, ...], ...]

    @property
    def slices(self) -> list[Slice]:
        """Of all parts."""
        return [one for part in self.parts for one in part]


@dataclass(frozen=True)
class Panel:
    """``unit`` of all its lines."""

    name: str
    unit: str
    lines: tuple[Line, ...]


def chart(
    processes: Sequence[Process], *, name: str = "timeline", title: str = "Timeline", slices: int = SLICES
) -> Chart:
    """A panel per kind of value, one under the other. Extremes of each slice are drawn as bars."""
    panels = panels_of(processes, slices)
    grids, x_axes, y_axes, series = [], [], [], []
    end_s = short(max((one.at for p in panels for line in p.lines for one in line.slices), default=0.0))
    for index, panel in enumerate(panels):
        top = TOP_PX + index * (PANEL_PX + GAP_PX)
        grids.append({"left": 62, "right": 20, "top": top, "height": PANEL_PX})
        last = index == len(panels) - 1
        x_axes.append(
            {
                "type": "value",
                "gridIndex": index,
                "name": "s" if last else "",
                "axisLabel": {"show": last, "showMaxLabel": False},
                "scale": True,
                "max": end_s,
            }
        )
        y_axes.append(
            {
                "type": "log" if _spread_out(panel) else "value",
                "gridIndex": index,
                "scale": True,
                "name": f"{panel.name}, {panel.unit}{' (logarithmic)' if _spread_out(panel) else ''}",
                "nameTextStyle": {"align": "left"},
                "nameGap": 8,
                "splitNumber": 3,
            }
        )
        series += [part for i, line in enumerate(panel.lines) for part in _drawn(line, index, i)]
    option = base(
        legend={"top": 4, "type": "scroll"},
        axisPointer={"link": [{"xAxisIndex": "all"}]},
        dataZoom=[{"type": "inside", "xAxisIndex": list(range(len(panels)))}] if panels else [],
        xAxis=x_axes,
        yAxis=y_axes,
        series=series,
    )
    option["grid"] = grids
    height = TOP_PX + len(panels) * (PANEL_PX + GAP_PX) + 10
    return Chart(name, title, option, _grid(panels), _note(processes, panels), height, "y")


def panels_of(processes: Sequence[Process], slices: int = SLICES) -> list[Panel]:
    """Latency first, then each kind of value that the traces hold; seconds since the first run."""
    held = [process for process in processes if len(process.measured.rows)]
    if not held:
        return []
    starts_ns, _ = starts(held)
    share = max(LEAST_SLICES, slices // len(held))
    every = [np.asarray(process.measured.latency_ns(), dtype=np.float64) for process in held]
    unit, size = time_unit([float(np.median(taken)) for taken in every])
    lines = []
    for number, (process, taken) in enumerate(zip(held, every, strict=True)):
        at_s = (process.measured.rows[:, 0] - starts_ns[number]) / 1e9
        lines.append(Line(_name(process, number), (tuple(joined(at_s, taken / size, share)),)))
    panels = [Panel("latency", unit, tuple(lines))]
    for kind, (called, scale, own_unit) in _KINDS.items():
        found = _channels(held, kind, starts_ns, scale, slices)
        if any(one.high > 0 for line in found for one in line.slices) or kind == "temperature_c":
            panels += [Panel(called, own_unit, tuple(found))] if found else []
    return panels


def starts(processes: Sequence[Process]) -> tuple[list[int], bool]:
    """(for each process the moment that counts as second 0 for it, whether pauses were shortened): where the
    pauses between processes are most of the time, they are drawn short, or nothing else could be seen."""
    ends = [(int(p.measured.rows[0, 0]), int(p.measured.rows[-1, 0])) for p in processes]
    order = sorted(range(len(ends)), key=lambda index: ends[index])
    pauses = [ends[after][0] - ends[before][1] for before, after in itertools.pairwise(order)]
    busy_ns = sum(end - start for start, end in ends)
    most_ns = max(1, busy_ns // (10 * len(ends)))
    shortened = sum(pauses) > MOST_PAUSES * busy_ns
    found, cut_ns = [0] * len(ends), 0
    for place, index in enumerate(order):
        if place and shortened:
            cut_ns += max(0, pauses[place - 1] - most_ns)
        found[index] = ends[order[0]][0] + cut_ns
    return found, shortened


def _channels(
    processes: Sequence[Process], kind: str, starts_ns: Sequence[int], scale: float, slices: int
) -> list[Line]:
    """A line per channel over all processes; the busiest where there are many."""
    by_name: dict[str, list[tuple[Any, Any]]] = {}
    for process, start_ns in zip(processes, starts_ns, strict=True):
        for trace in process.traces.traces:
            if trace.channel.kind == kind and trace.values:
                at_s = (np.asarray(trace.times_ns, dtype=np.int64) - start_ns) / 1e9
                values = np.asarray(trace.values, dtype=np.float64) / scale
                called = f"{trace.sensor} {trace.channel.name}".strip()
                by_name.setdefault(called, []).append((at_s, values))
    ranked = sorted(by_name.items(), key=lambda item: -max(float(v.max()) for _, v in item[1]))
    return [
        Line(
            text.printable(called, 30),
            tuple(tuple(joined(t, v, max(LEAST_SLICES, slices // len(own)))) for t, v in own),
        )
        for called, own in ranked[:MOST_CHANNELS]
    ]


def _name(process: Process, number: int) -> str:
    point = " ".join(f"{value} {key}" for key, value in process.block.point.items())
    return text.printable(point, 30) or f"process {number}"


def _drawn(line: Line, panel: int, index: int) -> list[dict[str, Any]]:
    axes = {"xAxisIndex": panel, "yAxisIndex": panel}
    colour = series_colour(index + 3 * panel)
    spread = [one for one in line.slices if one.high > one.low]
    name = label(line.name, 30)
    points: list[list[float | None]] = []
    for part in line.parts:
        points += [[short(one.at), short(one.middle)] for one in part]
        points += [[points[-1][0], None]] if points else []
    return [
        {
            "type": "line",
            "name": name,
            "showSymbol": len(line.slices) < 4,
            "symbolSize": 5,
            "lineStyle": {"width": 1.5},
            "itemStyle": {"color": colour},
            "data": points[:-1],
            "z": 3,
            **axes,
        },
        {
            "type": "custom",
            "name": name,
            "renderItem": "@render:extremes",
            "silent": True,
            "tooltip": {"show": False},
            "itemStyle": {"color": DIM, "opacity": 0.5},
            "encode": {"x": 0, "y": [1, 2]},
            "data": [[short(one.at), short(one.low), short(one.high)] for one in spread],
            **axes,
        },
    ]


def _grid(panels: Sequence[Panel]) -> Grid:
    columns = {"at": "s", "what": "text", "of": "text", "unit": "text"}
    columns |= dict.fromkeys(("low", "middle", "high"), "number") | {"values": "count"}
    rows = [
        (one.at, panel.name, line.name, panel.unit, one.low, one.middle, one.high, one.count)
        for panel in panels
        for line in panel.lines
        for one in line.slices
    ]
    return grid(columns, rows)


def _spread_out(panel: Panel) -> bool:
    """Whether one stall would flatten everything else on an even axis."""
    slices = [one for line in panel.lines for one in line.slices]
    if panel.name != "latency" or not slices or min(one.low for one in slices) <= 0:
        return False
    middle = sorted(one.middle for one in slices)[len(slices) // 2]
    return max(one.high for one in slices) > LOG_FROM * middle


def _note(processes: Sequence[Process], panels: Sequence[Panel]) -> str:
    runs = sum(len(process.measured.rows) for process in processes)
    points = sum(len(line.slices) for panel in panels[:1] for line in panel.lines)
    told = []
    if runs > points:
        told.append(
            f"{runs} runs in {points} slices of time: the line is each slice's median, the bar its extremes"
        )
    held = [process for process in processes if len(process.measured.rows)]
    if held and starts(held)[1]:
        told.append("the pauses between the processes are shortened")
    return "; ".join(told)
