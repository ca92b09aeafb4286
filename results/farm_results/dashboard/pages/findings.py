"""Every finding, with those that wait for somebody first."""

from __future__ import annotations

from dataclasses import replace

from farm_results.dashboard.blocks import Field, Filters, Page
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.overview import findings_table, worst_first
from farm_results.dashboard.query import ROWS_MOST
from farm_results.dashboard.rows import simulated
from farm_results.finding import STATES
from farm_results.history import findings

PATHS = ("/findings",)
NAV = (4, "Findings")
OPEN = "open"


def page(view: View) -> Page:
    """Open ones by default; of a state or a device on request."""
    query = view.query
    state = query.choice("state", (OPEN, "all", *STATES), OPEN)
    device = query.text("device")
    states = findings.OPEN if state == OPEN else () if state == "all" else (state,)
    most = query.rows()
    found = findings.recent(view.store, states=states, device=device or None, limit=most + 1)
    more = query.url(limit=min(4 * most, ROWS_MOST)) if len(found) > most and most < ROWS_MOST else ""
    shown = found[:most]
    fields = (
        Field("state", "State", state, "select", (OPEN, "all", *STATES), nothing=""),
        Field("device", "Device", device),
    )
    count = f"the newest {most}" if len(found) > most else str(len(shown))
    title = f"{count} finding{'s' * (len(shown) != 1)}"
    ordered = worst_first(shown) if state == OPEN else shown
    table = findings_table("findings", title, ordered, _nothing(state, device))
    return Page(
        "Findings", (Filters(query.path, fields), replace(table, more=more)), simulated=simulated(shown)
    )


def _nothing(state: str, device: str) -> str:
    if device:
        return f"none on a device called {device}"
    if state == OPEN:
        return "nothing waits for anybody"
    return "nights found nothing yet" if state == "all" else f"none is {state}"
