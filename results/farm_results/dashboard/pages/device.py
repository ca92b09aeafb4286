"""One device: its health and canaries over time, what it measures, what was done to it."""

from __future__ import annotations

from farm_agent.errors import UsageError
from farm_results.dashboard.blocks import Block, Charted, Command, Facts, Note, Page, Table
from farm_results.dashboard.fleet import DeviceView
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.queue import audit_table
from farm_results.dashboard.rows import lines, results_grid, simulated, to_result, to_series, with_shares
from farm_results.history import findings, points
from farm_results.pages.chart import ACCENT, BAND, Chart, base, short, time_unit, value_axis
from farm_results.pages.filters import ns, when
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

PATHS = ("/devices/{device:whole}",)
MOST_SERIES = 500


def page(view: View) -> Page:
    """By name; one that only has results is shown, too."""
    name = view.parts["device"]
    query = view.query
    device = view.fleet.device(name)
    most, number = query.rows(50), query.page()
    found = lines(view.store, device=name, limit=most + 1, offset=(number - 1) * most)
    if device is None and not found and number == 1:
        raise UsageError(
            f"no device is called {name[:100]!r}, and no result is of one",
            code="device.unknown",
            fix="/devices",
        )
    device = device or DeviceView(name, known=False)
    series = points.series_rows(view.store, device=name, limit=MOST_SERIES)
    own_findings = findings.recent(view.store, device=name, limit=20)
    more = query.url(page=number + 1) if len(found) > most else ""
    blocks: list[Block] = [Facts("", _facts(device)), *_notes(device)]
    if device.canaries:
        blocks.append(Charted(_canary_chart(device)))
    blocks += [
        Table(
            "findings",
            "What nights found on it",
            grid(
                {"when": "time", "what": "marks", "change": "change", "model": "text", "state": "text"},
                [
                    (
                        f.at_unix_s,
                        marks(f.word, origin=f.origin),
                        f.effect,
                        to_series(f.series, f.model),
                        f.state,
                    )
                    for f in own_findings
                ],
            ),
            "nothing",
        ),
        Table(
            "series",
            "What it measures again and again",
            grid(
                {"model": "text", "target": "text", "last": "time", "newest ok": "text"},
                [
                    (
                        to_series(one.series, one.key.model),
                        f"{one.key.runtime} {one.key.precision} ×{one.key.threads} {one.key.scenario}",
                        one.last_unix_s,
                        to_result(one.last_ok_job_id) if one.last_ok_job_id else None,
                    )
                    for one in series
                ],
            ),
        ),
        Table(
            "results",
            "Its results",
            results_grid(with_shares(view.store, found[:most]), leave_out=("device",)),
            more=more,
        ),
        audit_table(view.fleet.audit(name, 50), "What was done to it, by whom and why"),
    ]
    if device.facts:
        rows = [(key, value) for key, value in sorted(device.facts.items())]
        blocks.append(Table("facts", "What it is", grid({"fact": "text", "value": "text"}, rows)))
    return Page(name, tuple(blocks), simulated=simulated([device, *found, *series, *own_findings]))


def _facts(device: DeviceView) -> tuple[tuple[str, object], ...]:
    rows: list[tuple[str, object]] = [
        ("State", device.word),
        ("Health", f"{device.health}{f': {device.reason}' if device.reason else ''}"),
        ("Since", when(device.since_unix_s) if device.since_unix_s else "–"),
        ("Last seen", when(device.seen_unix_s) if device.seen_unix_s else "never"),
        ("Last canary", when(device.checked_unix_s) if device.checked_unix_s else "never"),
        ("Profile", device.profile or "–"),
        ("Reached by", device.transport or "–"),
        ("Tags", ", ".join(device.tags) or "–"),
        ("Used by", device.holder or "nobody"),
        ("Reserved by", device.reserved_by or "nobody"),
        ("Waiting", str(device.waiting)),
    ]
    if device.health == "quarantined":
        rows.append(("Until", when(device.until_unix_s) if device.until_unix_s else "a person ends it"))
    return tuple(rows)


def _notes(device: DeviceView) -> list[Block]:
    found: list[Block] = []
    if device.origin:
        found.append(Note("It does not exist: a simulation made up all that is shown of it.", "warn"))
    elif not device.known:
        found.append(Note("It is not in the inventory: only stored results tell of it.", "warn"))
    if device.silent:
        found.append(Note("It has not answered for longer than it may.", "bad"))
        found.append(Command("What helps", f"farm health recover {device.name}"))
    if device.drift and device.origin:
        found.append(Note("Changed since it was accepted: " + "; ".join(device.drift), "warn"))
    elif device.drift:
        found.append(Note("Changed since it was accepted: " + "; ".join(device.drift), "warn"))
        found.append(Command("If that is right", f"farm health accept {device.name}"))
    return found


def _canary_chart(device: DeviceView) -> Chart:
    """Whether the device itself became slower: the same small network, again and again."""
    runs = device.canaries
    unit, size = time_unit([run.p50_ns for run in runs])
    line: dict[str, object] = {
        "type": "line",
        "name": "canary p50",
        "itemStyle": {"color": ACCENT},
        "data": [[run.at_unix_s * 1e3, short(run.p50_ns / size)] for run in runs],
    }
    if device.usual_ns is not None and device.usual_spread_ns is not None:
        low, high = device.usual_ns - device.usual_spread_ns, device.usual_ns + device.usual_spread_ns
        line["markArea"] = {
            "silent": True,
            "itemStyle": {"color": BAND},
            "data": [[{"yAxis": short(low / size)}, {"yAxis": short(high / size)}]],
        }
    option = base(xAxis={"type": "time"}, yAxis=value_axis(unit), series=[line])
    rows = [(run.at_unix_s, run.p50_ns, run.slower or None, run.series) for run in runs]
    table = grid({"when": "time", "p50": "ns", "flagged as slower by": "change", "of": "text"}, rows)
    note = "" if device.usual_ns is None else f"usual: {ns(device.usual_ns)} ± {ns(device.usual_spread_ns)}"
    return Chart("canary", "Canary: is the device itself slower?", option, table, note, 240)
