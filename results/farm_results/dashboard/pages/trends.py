"""Every series, the one with the newest number first."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import newest_ok, simulated, to_device, to_model, to_series
from farm_results.history import points
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

PATHS = ("/trend",)
NAV = (6, "Trends")


def page(view: View) -> Page:
    """Series, by device, model and runtime on request."""
    query = view.query
    device, model, runtime = query.text("device"), query.text("model"), query.text("runtime")
    most = query.rows()
    found = points.series_rows(
        view.store, device=device or None, model=model or None, runtime=runtime or None, limit=most + 1
    )
    shown = found[:most]
    newest = {line.series: line for line in newest_ok(view.store, [one.last_ok_job_id for one in shown])}
    rows = []
    for one in shown:
        line = newest.get(one.series)
        is_time = one.metric.endswith("_ns")
        value = line.value if line else None
        rows.append(
            (
                line.marks if line else marks("unknown", origin=one.key.origin),
                to_series(one.series, f"{one.key.runtime} {one.key.precision} ×{one.key.threads}"),
                one.key.scenario,
                to_model(one.key.model),
                to_device(one.key.device),
                value if is_time else None,
                None if is_time else value,
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
    table = Table("series", "Series", grid(columns, rows), "no series matches", more)
    return Page("Trends", (Filters(query.path, fields), table), simulated=simulated(shown))
