"""How often each latency came, all processes together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farm_results import text
from farm_results.pages.chart import ACCENT, MIDDLE, Chart, base, time_unit
from farm_results.pages.grid import grid
from farm_results.statistics.stats import mad

BINS = 48
# Where the even bins end: so many median deviations above the median; what is beyond has one bin.
BODY_MADS = 12.0

Floats = npt.NDArray[np.float64]


def chart(processes_ns: Sequence[Floats], *, name: str = "histogram", title: str = "Histogram") -> Chart:
    """Even bins from the fastest run to the end of the body, and one bin for all slower runs."""
    taken = np.concatenate(processes_ns) if processes_ns else np.array([], np.float64)
    edges, counts, beyond = bins(taken)
    unit, size = time_unit(taken.tolist()[:1000])
    names = [text.number(edge / size, 4) for edge in edges[:-1]]
    rows: list[tuple[float, float, int]] = [
        (low, high, int(many)) for low, high, many in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    if beyond:
        names.append(f"≥ {text.number(edges[-1] / size, 4)}")
        rows.append((float(edges[-1]), float(taken.max()), beyond))
    option = base(
        xAxis={
            "type": "category",
            "data": names,
            "name": unit,
            **MIDDLE,
            "axisTick": {"alignWithLabel": True},
        },
        yAxis={"type": "value", "name": "runs", "minInterval": 1},
        series=[
            {
                "type": "bar",
                "data": [many for _, _, many in rows],
                "barCategoryGap": "4%",
                "itemStyle": {"color": ACCENT},
            }
        ],
    )
    option["grid"] |= {"bottom": 34}
    table = grid({"from": "ns5", "to": "ns5", "runs": "count"}, rows)
    note = f"the last bar: the {beyond} slower runs, up to {text.duration(taken.max())}" if beyond else ""
    return Chart(name, title, option, table, note)


def bins(taken: Floats) -> tuple[Floats, npt.NDArray[np.int64], int]:
    """(edges, how many runs lie between two of them, how many lie beyond the last)."""
    if not len(taken):
        return np.array([0.0, 1.0]), np.array([0]), 0
    low, high = float(taken.min()), float(taken.max())
    body = min(high, float(np.median(taken)) + BODY_MADS * max(mad(taken), 1e-3 * float(np.median(taken))))
    if body <= low:
        body = max(low * 1.001, low + 1.0)
    edges = np.linspace(low, body, BINS + 1)
    edges[-1] = max(edges[-1], high) if high <= body else edges[-1]
    counts = np.histogram(taken, bins=edges)[0].astype(np.int64)
    return edges, counts, int(len(taken) - counts.sum())
