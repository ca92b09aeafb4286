"""Every series, the one with the newest number first."""

from __future__ import annotations

from functools import cache

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import to_device, to_model, to_series
from farm_results.history import points
from farm_results.pages.grid import grid
from farm_results.pages.marks import Marks, marks

PATHS = ("/trend",)
NAV = (6, "Trends")


def page(view: View) -> Page:
    """Series, by device, model and runtime on request."""
    query = view.query
    device, model, runtime = query.text("device"), query.text("model"), query.text("runtime")
    most = query.rows()
    found = points.standings(
        view.store, device=device or None, model=model or None, runtime=runtime or None, limit=most + 1
    )
    shown = found[:most]
    device_of, model_of, marks_of = cache(to_device), cache(to_model), cache(_marks)
    rows = []
    for one in shown:
        is_time = one.metric.endswith("_ns")
        rows.append(
            (
                marks_of(one.verdict, one.origin),
                to_series(one.series, f"{one.runtime} {one.precision} ×{one.threads}"),
                one.scenario,
                model_of(one.model),
                device_of(one.device),
                one.value if is_time else None,
                None if is_time else one.value,
                one.last_unix_s,
                one.first_unix_s,
            )
        )
    columns = {
        "verdict": "marks",
        "series": "text",
        "scenario": "text",
        "model": "text",
        "device": "text",
        "time": "ns",
    }
    columns |= {"number": "number", "last": "time", "first": "time"}
    fields = (
        Field("device", "Device", device),
        Field("model", "Model", model),
        Field("runtime", "Runtime", runtime),
    )
    more = query.url(limit=min(2 * most, 2000)) if len(found) > most and most < 2000 else ""
    empty = "no series matches" if device or model or runtime else "none yet; farm bench begins one"
    table = Table("series", "Series", grid(columns, rows), empty, more)
    return Page("Trends", (Filters(query.path, fields), table), simulated=any(one.origin for one in shown))


def _marks(verdict: str | None, origin: str) -> Marks:
    return marks(verdict or "unknown", origin=origin)
