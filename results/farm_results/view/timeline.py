"""What each process did over time: medians of slices, and the sensors' values on the same clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from farm_results import text
from farm_results.view import Line
from farm_results.view.bars import spark
from farm_results.view.raw import Process

MOST_SLICES = 60
# A flat line stays flat: the scale spans this share of the lowest value, at least.
LEAST_SPAN = 0.05
MOST_OVER = 1.25
LABEL = 11
_KINDS: dict[str, tuple[str, float, str]] = {
    "temperature_c": ("temperature", 1.0, "°C"),
    "frequency_khz": ("clock", 1e6, "GHz"),
    "power_w": ("power", 1.0, "W"),
    "throttle_state": ("throttling", 1.0, "state"),
}

Slices = list[float | None]


def slices(process: Process, count: int) -> Slices:
    """The median latency in each of ``count`` equal parts of the process's time; None where none began."""
    taken = np.asarray(process.measured.latency_ns(), dtype=np.float64)
    return _by_time(process.measured.rows[:, 0], taken, _span(process), count, np.median)


def sensor_slices(process: Process, kind: str, count: int) -> Slices:
    """The highest value of all channels of a kind in each part; a clock's fastest domain counts."""
    times = [np.asarray(t.times_ns, dtype=np.int64) for t in process.traces.traces if t.channel.kind == kind]
    values = [np.asarray(t.values, dtype=np.float64) for t in process.traces.traces if t.channel.kind == kind]
    if not times or not sum(map(len, times)):
        return []
    return _by_time(np.concatenate(times), np.concatenate(values), _span(process), count, np.max)


def _span(process: Process) -> tuple[int, int]:
    rows = process.measured.rows
    return int(rows[0, 0]), int(process.measured.column("end").max())


def _by_time(
    times: npt.NDArray[np.int64],
    values: npt.NDArray[np.float64],
    span: tuple[int, int],
    count: int,
    join: Callable[[npt.NDArray[np.float64]], np.floating],
) -> Slices:
    share = (times.astype(np.float64) - span[0]) / max(1, span[1] - span[0])
    inside = (share >= 0) & (share <= 1) & np.isfinite(values)
    part = np.minimum((share[inside] * count).astype(np.int64), count - 1)
    kept = values[inside]
    order = np.argsort(part, kind="stable")
    edges = np.searchsorted(part[order], np.arange(count + 1))
    ordered = kept[order]
    return [float(join(ordered[a:b])) if b > a else None for a, b in itertools.pairwise(edges)]


def lines(processes: Sequence[Process], width: int) -> list[Line]:
    """Two lines or more per process: latency, then each kind of sensor value that its traces hold."""
    if not processes:
        return []
    count = max(10, min(MOST_SLICES, width - LABEL - 20))
    medians = [slices(process, count) for process in processes]
    known = [value for row in medians for value in row if value is not None]
    # One stall must not flatten all else: what is above the scale shows at its top.
    most = min(max(known), MOST_OVER * float(np.median(known)))
    low, high = min(known), max(most, min(known) * (1 + LEAST_SPAN))
    seconds = (_span(processes[0])[1] - _span(processes[0])[0]) / 1e9
    found = [Line(f"{text.duration(seconds / count * 1e9)} a column; medians {_range(known)}", "dim")]
    for number, (process, row) in enumerate(zip(processes, medians, strict=True)):
        own = [value for value in row if value is not None]
        found.append(
            Line(f"{_name(process, number):<{LABEL}}{spark(row, low, high)}  {_range(own)}".rstrip())
        )
        found += _sensors(process, count)
    return found


def _name(process: Process, number: int) -> str:
    """Its number, or where it lies on the scenario's curve."""
    point = " ".join(f"{value} {key}" for key, value in process.block.point.items())
    return text.printable(point, LABEL - 1) or f"process {number}"


def _sensors(process: Process, count: int) -> list[Line]:
    found = []
    for kind, (name, scale, unit) in _KINDS.items():
        row = sensor_slices(process, kind, count)
        known = [value for value in row if value is not None]
        if not known or (kind == "throttle_state" and max(known) == 0):
            continue
        low, high = min(known), max(*known, min(known) + LEAST_SPAN * abs(min(known)))
        ends = [text.number(value / scale) for value in (min(known), max(known))]
        label = ends[0] if ends[0] == ends[1] else "–".join(ends)
        found.append(Line(f"  {name:<{LABEL - 2}}{spark(row, low, high)}  {label} {unit}", "dim"))
    return found


def _range(values: Sequence[float]) -> str:
    if not values:
        return ""
    low, high = min(values), max(values)
    return text.duration(low) if low == high else text.duration_range(low, high, low or 1.0)
