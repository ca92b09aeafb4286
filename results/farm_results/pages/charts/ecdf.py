"""Which share of the runs was at most this slow, process by process."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farm_results.pages.chart import MIDDLE, Chart, base, label, series_colour, short, time_unit, value_axis
from farm_results.pages.charts.histogram import bins
from farm_results.pages.grid import grid

MOST_STEPS = 120
MOST_LINES = 12

Floats = npt.NDArray[np.float64]


def chart(
    processes_ns: Sequence[Floats],
    *,
    name: str = "ecdf",
    title: str = "Share of the runs that took at most",
    labels: Sequence[str] = (),
    most: int = MOST_STEPS,
) -> Chart:
    """A line per process; of more than ``most`` runs, even quantiles with the fastest and the slowest."""
    shown = list(processes_ns[:MOST_LINES])
    unit, size = time_unit([float(np.median(one)) for one in shown if len(one)])
    body, beyond = end_of_body(shown)
    ends = {"max": short(body / size, 4), "axisLabel": {"showMaxLabel": False}} if beyond else {}
    series, rows = [], []
    for index, taken in enumerate(shown):
        called = labels[index] if index < len(labels) else f"process {index}"
        steps = quantiles(taken, most)
        rows += [(called, value, share) for value, share in steps]
        series.append(
            {
                "type": "line",
                "name": label(called, 30),
                "step": "end",
                "showSymbol": False,
                "lineStyle": {"width": 1.5},
                "itemStyle": {"color": series_colour(index)},
                "data": [[short(value / size), short(share * 100, 4)] for value, share in steps],
            }
        )
    option = base(
        legend={"top": 4, "type": "scroll"},
        xAxis=value_axis(unit, **MIDDLE, **ends),
        yAxis={"type": "value", "name": "%", "min": 0, "max": 100},
        series=series,
    )
    option["grid"] |= {"bottom": 34, "top": 52}
    left_out = len(processes_ns) - len(shown)
    told = [f"{beyond} runs are slower than the axis shows; the table has them"] if beyond else []
    told += [f"{left_out} more processes are not drawn"] if left_out else []
    table = grid({"process": "text", "at most": "ns5", "share of runs": "share"}, rows)
    return Chart(name, title, option, table, "; ".join(told), log_axis="x")


def end_of_body(processes_ns: Sequence[Floats]) -> tuple[float, int]:
    """Where the axis ends, and how many runs lie beyond: a single stall must not flatten all else."""
    edges, _, beyond = bins(np.concatenate(processes_ns) if processes_ns else np.array([], np.float64))
    return float(edges[-1]), beyond


def quantiles(taken: Floats, most: int) -> list[tuple[float, float]]:
    """(value, share of the runs up to it): every run of few, else even steps from the first to the last."""
    ordered = np.sort(taken)
    count = len(ordered)
    if not count:
        return []
    at = np.unique(np.linspace(0, count - 1, min(count, max(2, most))).round().astype(np.int64))
    return [(float(ordered[index]), float((index + 1) / count)) for index in at]
