"""One finding: what it says, what people made of it, who did so and why, and where to look next."""

from __future__ import annotations

from farm_results.dashboard.blocks import Links, Page
from farm_results.dashboard.fleet import AuditEntry
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.queue import audit_table
from farm_results.dashboard.rows import to_device, to_model, to_night, to_series
from farm_results.dashboard.triage import headline, triage_of
from farm_results.finding import Finding
from farm_results.history import findings

PATHS = ("/findings/{finding:whole}",)
LOOK_AT = 500


def page(view: View) -> Page:
    """By its id or a unique beginning of it; the audit out of the newest ``LOOK_AT`` rows of its device."""
    one = findings.get(view.store, view.parts["finding"])
    ways = [to_series(one.series, "Trend"), to_device(one.device), to_model(one.model)]
    if one.night_id:
        ways.append(to_night(one.night_id, "Its night"))
    told = [entry for entry in view.fleet.audit(one.device, LOOK_AT) if _is_about(entry, one)]
    blocks = (Links(tuple(ways)), triage_of(one), audit_table(told, "What was made of it, by whom and why"))
    title = f"{one.word.capitalize()}: {one.model} on {one.device}"
    return Page(title, blocks, simulated=bool(one.origin), subtitle=headline(one))


def _is_about(entry: AuditEntry, one: Finding) -> bool:
    """Its own rows, and those of the baseline that went to its result or came back from there."""
    moved = entry.event.startswith("baseline ") and one.job_id and one.job_id in entry.reason
    return bool(moved) or one.finding_id in entry.reason
