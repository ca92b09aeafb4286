"""Every model: its versions, formats, and where it runs."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import simulated, to_model
from farm_results.dashboard.summaries import summaries
from farm_results.pages.grid import grid

PATHS = ("/models",)
NAV = (9, "Models")


def page(view: View) -> Page:
    """The last measured first, out of their series."""
    query = view.query
    text, most = query.text("q").lower(), query.rows()
    every = summaries(view.store)
    found = [one for one in every if text in one.model.lower()]
    rows = [
        (
            to_model(one.model),
            one.series,
            one.devices,
            ", ".join(one.formats),
            ", ".join(one.runtimes),
            ", ".join(one.precisions),
            one.last_unix_s,
        )
        for one in found[:most]
    ]
    columns = {"model": "text", "series": "count", "devices": "count", "formats": "text", "runtimes": "text"}
    columns |= {"precisions": "text", "last measured": "time"}
    more = query.url(limit=min(2 * most, 2000)) if len(found) > most and most < 2000 else ""
    empty = "no model matches" if every else "none yet; farm bench measures one"
    table = Table("models", "Models", grid(columns, rows), empty, more)
    fields = (Field("q", "Name holds", text),)
    return Page("Models", (Filters(query.path, fields), table), simulated=simulated(every))
