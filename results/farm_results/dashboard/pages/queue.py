"""What runs, who waits for what, and the trail of what people and farm itself changed."""

from __future__ import annotations

from collections.abc import Sequence

from farm_results.dashboard.blocks import Page, Table
from farm_results.dashboard.fleet import AuditEntry
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import to_device, to_finding, to_run, to_series
from farm_results.pages.grid import Link, grid

PATHS = ("/queue",)
NAV = (11, "Queue and audit")


def page(view: View) -> Page:
    """Now, and the newest entries of the audit trail."""
    fleet, now = view.fleet, view.now_unix_s
    device = view.query.text("device") or None
    held = [one for one in fleet.devices() if one.holder or one.reserved_by or one.waiting]
    jobs = fleet.jobs()
    most = view.query.rows(100)
    holders = grid(
        {"device": "text", "used by": "text", "job": "code", "reserved by": "text", "waiting": "count"},
        [(to_device(one.name), one.holder, one.job_id, one.reserved_by, one.waiting) for one in held],
    )
    running = grid(
        {"job": "code", "run": "text", "device": "text", "state": "text", "for": "s", "driven by": "text"},
        [
            (
                job.job_id,
                to_run(job.run_id),
                to_device(job.device),
                job.state,
                job.age_s,
                job.driver or "nobody",
            )
            for job in jobs[:most]
        ],
        note=f"{len(jobs) - most} more are not shown" if len(jobs) > most else "",
    )
    waiting = grid(
        {"device": "text", "job": "code", "who": "text", "priority": "count", "for": "s"},
        [
            (to_device(one.device), one.job_id, one.owner, one.priority, max(0.0, now - one.since_unix_s))
            for one in fleet.waiting()[:most]
        ],
    )
    return Page(
        "Queue and audit",
        (
            Table("running", "Jobs that were begun and are not stored", running, "none"),
            Table("held", "Devices in use", holders, "all are free"),
            Table("waiting", "Who waits", waiting, "nobody"),
            audit_table(fleet.audit(device, most), "What was changed, by whom and why"),
        ),
        live_s=10,
    )


def audit_table(entries: Sequence[AuditEntry], title: str) -> Table:
    """The audit trail, newest first."""
    rows = [
        (e.at_unix_s, to_device(e.device) if e.device else "", e.actor, e.event, e.reason, _about(e))
        for e in entries
    ]
    columns = {"when": "time", "device": "text", "who": "text", "what": "text", "why": "text", "": "text"}
    return Table("audit", title, grid(columns, rows), "nothing was changed yet")


def _about(entry: AuditEntry) -> Link | None:
    """What an entry is about, where it has a page: its reason begins with the name."""
    name = entry.reason.partition(":")[0]
    if entry.event == "finding":
        return to_finding(name, "finding")
    if entry.event.startswith("baseline ") and name.startswith("series "):
        return to_series(name.removeprefix("series "), "trend")
    return None
