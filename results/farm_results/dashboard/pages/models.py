"""Every model: its versions, formats, and where it runs."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import simulated, to_model
from farm_results.history import points
from farm_results.pages.grid import grid

PATHS = ("/models",)
NAV = (9, "Models")
MOST_SERIES = 20_000


def page(view: View) -> Page:
    """Models by name, out of their series."""
    query = view.query
    text, most = query.text("q").lower(), query.rows()
    found = points.series_rows(view.store, limit=MOST_SERIES)
    by_model: dict[str, list[points.SeriesRow]] = {}
    for row in found:
        if text in row.key.model.lower():
            by_model.setdefault(row.key.model, []).append(row)
    rows = [
        (
            to_model(name),
            len(own),
            len({one.key.device for one in own}),
            ", ".join(sorted({one.key.format for one in own})),
            ", ".join(sorted({one.key.runtime for one in own})),
            ", ".join(sorted({one.key.precision for one in own})),
            max(one.last_unix_s for one in own),
        )
        for name, own in list(by_model.items())[:most]
    ]
    columns = {"model": "text", "series": "count", "devices": "count", "formats": "text", "runtimes": "text"}
    columns |= {"precisions": "text", "last measured": "time"}
    more = query.url(limit=min(2 * most, 2000)) if len(by_model) > most and most < 2000 else ""
    table = Table("models", "Models", grid(columns, rows), "no model matches", more)
    fields = (Field("q", "Name holds", text),)
    return Page("Models", (Filters(query.path, fields), table), simulated=simulated(found))
