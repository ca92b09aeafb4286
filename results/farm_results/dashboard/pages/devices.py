"""Every device: how it is, who has it, when it last answered."""

from __future__ import annotations

from farm_results.dashboard.blocks import Field, Filters, Page, Table
from farm_results.dashboard.fleet import DeviceView
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import simulated, to_device
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

PATHS = ("/devices",)
NAV = (3, "Devices")

COLUMNS = {
    "state": "text",
    "health": "text",
    "reason": "text",
    "changed since accepted": "text",
    "profile": "text",
    "tags": "text",
    "last seen": "time",
    "canary p50": "ns",
    "usual": "ns",
    "used by": "text",
    "reserved by": "text",
    "waiting": "count",
}


def page(view: View) -> Page:
    """All devices, or those of a tag, profile, state or name."""
    query = view.query
    known = view.fleet.devices()
    tag = query.choice("tag", sorted({tag for one in known for tag in one.tags}))
    profile = query.choice("profile", sorted({one.profile for one in known if one.profile}))
    state = query.choice("state", sorted({one.word for one in known}))
    text = query.text("q").lower()
    shown = [
        one
        for one in known
        if (not tag or tag in one.tags)
        and (not profile or profile == one.profile)
        and (not state or state == one.word)
        and (not text or text in one.name.lower())
    ]
    most = query.rows()
    fields = (
        Field("q", "Name holds", text),
        Field("tag", "Tag", tag, "select", tuple(sorted({tag for one in known for tag in one.tags}))),
        Field("profile", "Profile", profile, "select", tuple(sorted({one.profile for one in known} - {""}))),
        Field("state", "State", state, "select", tuple(sorted({one.word for one in known}))),
    )
    made_up = simulated(known)
    columns = {"device": "text", **({"": "marks"} if made_up else {}), **COLUMNS}
    rows = [
        (to_device(one.name), *([marks("", origin=one.origin)] if made_up else []), *_row(one))
        for one in shown[:most]
    ]
    more = query.url(limit=min(most * 2, 2000)) if len(shown) > most else ""
    empty = "no device matches" if known else "no device is known; farm enroll adds one"
    table = Table(
        "devices",
        f"{len(shown)} of {len(known)} device{'s' * (len(known) != 1)}",
        grid(columns, rows),
        empty,
        more,
    )
    return Page("Devices", (Filters(query.path, fields), table), simulated=made_up, live_s=20)


def _row(one: DeviceView) -> tuple[object, ...]:
    return (
        one.word,
        one.health,
        one.reason,
        "; ".join(one.drift),
        one.profile,
        ", ".join(one.tags),
        one.seen_unix_s or None,
        one.canaries[-1].p50_ns if one.canaries else None,
        one.usual_ns,
        one.holder,
        one.reserved_by,
        one.waiting,
    )
