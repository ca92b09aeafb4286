"""Every finding, with those that wait for somebody first."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.overview import findings_table, worst_first
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
    found = findings.recent(view.store, states=states, device=device or None, limit=most)
    fields = (
        Field("state", "State", state, "select", (OPEN, "all", *STATES)),
        Field("device", "Device", device),
    )
    shown = worst_first(found) if state == OPEN else found
    table = findings_table("findings", f"{len(found)} findings", shown, "nothing waits for anybody")
    return Page("Findings", (Filters(query.path, fields), table), simulated=simulated(found))
