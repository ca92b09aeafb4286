"""Every run, the newest first."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import to_run
from farm_results.pages.grid import grid
from farm_results.pages.sections.origin import command_of

PATHS = ("/runs",)
NAV = (5, "Runs")


def page(view: View) -> Page:
    """Runs, by state on request."""
    query = view.query
    state = query.choice("state", ("running", "done", "interrupted"))
    most = query.rows(100)
    found = view.store.runs(most + 1, state=state or None)
    rows = [
        (
            to_run(run.run_id),
            run.created_unix_s,
            f"{run.state}: {run.cause}" if run.cause else run.state,
            run.host,
            " ".join(f"{k}={v}" for k, v in run.labels.items()),
            command_of(run),
        )
        for run in found[:most]
    ]
    columns = {
        "run": "text",
        "when": "time",
        "state": "text",
        "host": "text",
        "labels": "text",
        "command": "code",
    }
    more = query.url(limit=min(2 * most, 2000)) if len(found) > most and most < 2000 else ""
    fields = (Field("state", "State", state, "select", ("running", "done", "interrupted")),)
    table = Table("runs", "Runs", grid(columns, rows), "none yet; farm bench makes one", more)
    return Page("Runs", (Filters(query.path, fields), table))
