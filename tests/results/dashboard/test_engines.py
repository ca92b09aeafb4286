"""The pages with a fleet around them: the same words out of SQLite and a real PostgreSQL; a simulated one."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices import inventory, reservations
from farm.devices.device import Device
from farm.fleet_view import FleetView
from farm.health import rows
from farm.health.record import Canary, Record
from farm.health.states import GOOD, QUARANTINED
from farm_agent.errors import UsageError
from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.finding import EXPECTED, INVALID
from farm_results.history import baselines, findings, moves
from farm_results.history.baselines import ACCEPTED, SET
from tests.postgres import Server
from tests.results.dashboard.client import TOKEN, Client
from tests.results.dashboard.scene import HOSTILE, Scene, scene
from tests.results.dashboard.test_dashboard import pages_of

WHEN = 1_794_400_000.0
CANARIES = tuple(Canary(WHEN - k * 86_400, "ort", 1e6 + 1e4 * (k % 3)) for k in range(12))


def farm_on(store: str, path: Path) -> tuple[Scene, Client]:
    """The scene with a fleet around it, and who looks at it."""
    found = scene(store)
    for name, tag in (("pi", "lab"), ("jetson", "shed")):
        inventory.add(path, Device(name, "rpi4", f"ssh://farm@{name}", tags=(tag,)), overwrite=True)
    engine = found.store.engine
    record = Record(accepted={"kernel": "6.1"}, facts={"kernel": "6.6"}, canaries=CANARIES)
    changes = (("pi", GOOD, ""), ("jetson", QUARANTINED, "fan is broken"), (HOSTILE, GOOD, HOSTILE))
    for name, health, reason in changes:
        rows.change(
            engine,
            name,
            "me",
            lambda s, now, health=health, reason=reason: replace(  # type: ignore[misc]
                s, health=health, reason=reason, since_unix_s=now, seen_unix_s=now, record=record
            ),
            clock=lambda _engine: WHEN,
        )
    reservations.reserve(engine, "pi", "ann@desk", for_s=None, reason="mine")
    findings.triage(found.store, "finding-3", EXPECTED, "ann", "as planned")
    fleet = FleetView(found.store, path, alarm_after_s=3600.0)
    board = Dashboard(found.store, Access(TOKEN, open_reading=True), fleet, now=lambda: found.now_unix_s)
    return found, Client(board)


def plain(text: str) -> str:
    """A page without what may differ: where its store is, and when the databases' own clocks were asked."""
    text = re.sub(r"<footer>Store .*? · ", "<footer>", text)
    # Beside a time stands what sorts it.
    return re.sub(r'( data-v="\d+")?>\d{4}-\d\d-\d\d \d\d:\d\d UTC', ">TIME", text)


def test_pages_say_the_same_on_both_engines(tmp_path: Path, postgres: Server) -> None:
    """Status, words and numbers of every page."""
    path = tmp_path / "inventory.toml"
    lite, small = farm_on(str(tmp_path / "store"), path)
    real, large = farm_on(postgres.create(), path)
    assert real.store.engine.dialect.name == "postgresql"
    addresses = [*pages_of(lite), "/findings?device=pi", "/devices?state=quarantined", "/nights?limit=1"]
    addresses += [
        "/trend?model=nightnet",
        "/runs?state=done&limit=3",
        "/runs/never",
        "/download/csv?run=last",
    ]
    seen = 0
    for address in addresses:
        one, other = small.get(address), large.get(address)
        texts = plain(one.text), plain(other.text)
        assert one.status_code == other.status_code, (address, texts[1][-600:])
        assert texts[0] == texts[1], address
        seen += one.text.count("csv=")
    assert seen > 60, "tables, which the pages hold whole"
    for each in (lite, real):
        before = baselines.current(each.store, each.series)
        for act, job_id in ((moves.accept, "night-m-039"), (moves.reopen, "night-m-000")):
            act(each.store, each.finding, actor="me", reason="a trial")
            held = baselines.current(each.store, each.series)
            assert held is not None
            assert held.job_id == job_id
            with pytest.raises(UsageError, match="meanwhile"):
                findings.triage(each.store, each.finding, EXPECTED, "me", was=INVALID)
        assert before is not None
        assert [one.event for one in baselines.history(each.store, each.series)] == [
            SET,
            ACCEPTED,
            before.event,
        ]
    assert "kernel 6.1 → 6.6" in small.get("/devices").text
    lite.store.close()
    real.store.close()


def test_a_simulated_fleet_says_so_and_is_alone(tmp_path: Path) -> None:
    """Beside a demo's devices stands none of this farm's; each says that it does not exist. One number that a
    device measured, and this farm's devices are back."""
    made_up = scene(tmp_path / "store", origin="simulated")
    path = tmp_path / "inventory.toml"
    fleet = FleetView(made_up.store, path, alarm_after_s=3600.0, fresh_s=-1.0)
    found = {one.name: one.origin for one in fleet.devices()}
    assert "local" not in found
    assert set(found.values()) == {"simulated"}
    board = Dashboard(
        made_up.store, Access("x" * 30, open_reading=True), fleet, now=lambda: made_up.now_unix_s
    )
    for url in ("/", "/devices", "/devices/pi"):
        page = Client(board).get(url).text
        assert 'class="banner"' in page, url
        assert "SIMULATED" in page.partition("</main>")[0].partition("<main")[2] or url == "/devices/pi", url
    assert "It does not exist" in Client(board).get("/devices/pi").text
    real = replace(made_up.store.result("night-m-001"), job_id="real", origin="")
    made_up.store.add_result(real)
    assert {one.name: one.origin for one in fleet.devices()} == {**found, "local": "", "pi": ""}
    made_up.store.close()
