"""``farm serve`` as a process, its pages in a real browser, and the fleet as it sees it."""

from __future__ import annotations

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from farm import audit
from farm.devices import inventory, reservations
from farm.devices.device import Device
from farm.errors import UsageError
from farm.fleet_view import FleetView
from farm.health import rows
from farm.health.record import Canary, Record
from farm.health.states import GOOD, QUARANTINED, Standing
from farm_results.dashboard.access import read_token
from farm_results.dashboard.server import bind
from farm_results.store import Store
from tests.browser import PHONE, chromium, page_of, problems, sideways
from tests.results.dashboard.scene import HOSTILE, Scene, scene

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

CANARIES = tuple(Canary(1_791_000_000.0 + k * 86_400, "ort", 1e6 + 1e4 * (k % 3)) for k in range(12))
LIMIT_S = 900


@dataclass(frozen=True)
class Served:
    """A running server."""

    url: str
    token_file: Path
    scene: Scene

    @property
    def token(self) -> str:
        """What opens it for changes."""
        return self.token_file.read_text().strip()


@contextmanager
def serving(
    folder: Path, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """``farm serve`` on a free port; (process, what it said on standard output)."""
    command = [
        sys.executable,
        "-m",
        "farm",
        "--json",
        "--store",
        str(folder / "store"),
        "serve",
        "--port",
        "0",
    ]
    known = {**os.environ, "FARM_STATE_DIR": str(folder / "state"), **environment}
    known["FARM_INVENTORY_PATH"] = str(folder / "inventory.toml")
    process = subprocess.Popen(
        [*command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=known
    )
    timer = threading.Timer(LIMIT_S, process.kill)
    timer.start()
    try:
        assert process.stdout
        lines = []
        for line in process.stdout:
            lines.append(line)
            if line.startswith("}"):
                break
        yield process, json.loads("".join(lines) or "{}")
    finally:
        timer.cancel()
        process.kill()
        process.communicate()


def fill_fleet(store: Store, path: Path) -> None:
    """Two devices in the inventory, one that only the store knows; canaries, a quarantine, a reservation."""
    for name, tag in (("pi", "lab"), ("jetson", "shed")):
        inventory.add(path, Device(name, "rpi4", f"ssh://farm@{name}", tags=(tag,)))
    record = Record(accepted={"kernel": "6.1"}, facts={"kernel": "6.6"}, canaries=CANARIES)
    good = Standing("pi", GOOD, seen_unix_s=1_794_000_000.0, checked_unix_s=1_794_000_000.0, record=record)
    rows.change(store.engine, "pi", "me", lambda _, now: replace(good, since_unix_s=now))
    rows.change(
        store.engine, "jetson", "me", lambda s, _: replace(s, health=QUARANTINED, reason="fan is broken")
    )
    rows.change(store.engine, HOSTILE, "me", lambda s, _: replace(s, health=GOOD, reason=HOSTILE))
    reservations.reserve(store.engine, "pi", "ann@desk", for_s=None, reason="mine")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all tests that look."""
    folder = tmp_path_factory.mktemp("served")
    found = scene(folder / "store")
    fill_fleet(found.store, folder / "inventory.toml")
    with serving(folder) as (_, said):
        yield Served(said["url"].rstrip("/"), Path(said["token_file"]), found)
    found.store.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium."""
    with chromium() as found:
        yield found


def pages(found: Served) -> list[str]:
    return [
        *(
            "/",
            "/devices",
            "/devices/pi",
            "/findings",
            "/runs",
            "/runs/20261121-060000-aaaa",
            "/results/job-1",
        ),
        *("/trend", f"/trend/{found.scene.series}", "/compare?a=2026-night-010&b=2026-night-039"),
        *("/pareto?model=mobilenet", "/layers?job=job-1&with=job-3", "/models", "/models/nightnet", "/queue"),
        *("/nights", "/nights/night-39", "/comparisons/ab-1", "/login", "/nowhere"),
    ]


def test_every_page_in_a_browser(served: Served, browser: Browser) -> None:
    """Without a script error or a breach of the policy; charts are drawn; a phone does not scroll sideways;
    what a name holds never becomes markup."""
    drawn = 0
    with page_of(browser, viewport=PHONE, color_scheme="dark") as phone:
        for path in pages(served):
            phone.goto(served.url + path)
            charts = phone.locator(".chart .canvas")
            for index in range(charts.count()):
                charts.nth(index).scroll_into_view_if_needed()
                phone.wait_for_function(
                    "(i) => document.querySelectorAll('.canvas')[i].dataset.drawn", arg=index
                )
                drawn += 1
            assert problems(phone) == [], path
            assert sideways(phone) <= 0, path
            assert phone.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(20, 23, 27)"
            assert phone.locator("img, script:not([src]):not([type='application/json'])").count() == 0, path
    assert drawn >= 8


def test_pages_need_no_script(served: Served, browser: Browser) -> None:
    """Tables, filters and links work without JavaScript."""
    with page_of(browser, java_script_enabled=False) as page:
        page.goto(f"{served.url}/trend/{served.scene.series}")
        page.locator("figure details summary").click()
        assert page.locator("figure tbody tr").count() == 40
        page.goto(f"{served.url}/devices")
        assert page.locator("#devices tbody tr").count() > 4
        page.select_option("select[name=tag]", "lab")
        page.click("form.filters button")
        assert page.locator("#devices tbody tr").count() == 1
        assert "tag=lab" in page.url
        page.click("#devices tbody a")
        assert page.url.endswith("/devices/pi")
        assert "kernel" in page.inner_text("main")


def log_in(page: Page, found: Served, path: str) -> None:
    page.goto(found.url + path)
    page.click("main >> text=Log in")
    page.fill("input[name=name]", "ann")
    page.fill("input[name=token]", found.token)
    page.click("main button")
    page.wait_for_url(f"**{path}*")


def test_a_person_decides_a_finding(served: Served, browser: Browser) -> None:
    """Log in, acknowledge with a reason, see it in the audit trail, log out: by keyboard, without scripts."""
    path = f"/trend/{served.scene.series}"
    with page_of(browser, java_script_enabled=False) as page:
        log_in(page, served, path)
        page.focus(".triage input[name=note]")
        page.keyboard.type("looking into it")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        page.locator(".triage", has_text="looking into it").wait_for()
        assert "acknowledged" in page.inner_text(".triage")
        page.goto(f"{served.url}/queue")
        assert "ann@dashboard" in page.inner_text("#audit")
        page.click("text=Log out")
        page.goto(served.url + path)
        assert page.locator(".triage form").count() == 0


def test_sliders_leave_what_keeps_them(served: Served, browser: Browser) -> None:
    """Moving a slider asks for the page again, which draws itself, and its address can be kept."""
    with page_of(browser) as page:
        page.goto(f"{served.url}/pareto?model=mobilenet")
        assert page.locator("#configurations tbody tr").count() == 5
        page.evaluate(
            "() => { const one = document.querySelector('input[name=p50]'); one.value = '2';"
            " one.dispatchEvent(new Event('input', {bubbles: true})); }"
        )
        page.wait_for_function(
            "() => document.querySelectorAll('#configurations tbody tr').length === 1", timeout=30_000
        )
        page.wait_for_function(
            "() => document.querySelector('.canvas').dataset.drawn === '1'", timeout=30_000
        )
        assert "p50=" in page.url
        page.focus("input[name=p50]")
        page.keyboard.press("End")
        page.wait_for_function(
            "() => document.querySelectorAll('#configurations tbody tr').length === 5", timeout=30_000
        )
        assert page.evaluate("document.activeElement.name") == "p50", "the keyboard stays on the slider"
        page.goto(f"{served.url}/pareto?model=mobilenet&p50=2")
        page.reload()
        assert page.locator("#configurations tbody tr").count() == 1
        assert problems(page) == []


def test_by_keyboard_and_by_itself(served: Served, browser: Browser) -> None:
    """The skip link comes first, headings sort, and the queue asks again by itself."""
    with page_of(browser) as page:
        page.goto(f"{served.url}/runs")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        for _ in range(12):  # the menu, the log-in, the filter: each can be seen to have the focus
            assert page.evaluate("parseFloat(getComputedStyle(document.activeElement).outlineWidth)") >= 1
            page.keyboard.press("Tab")
        unnamed = "all => all.filter(one => !one.labels.length && one.type !== 'hidden').map(one => one.name)"
        assert page.eval_on_selector_all("input, select", unnamed) == []
        head = page.locator("#runs th button").first
        head.focus()
        page.keyboard.press("Enter")
        assert page.locator("#runs th").first.get_attribute("aria-sort") == "ascending"
        assert page.locator("#runs tbody tr").first.inner_text().startswith("2026-night-000")
        page.goto(f"{served.url}/queue")
        page.locator("#audit td a").first.focus()
        audit.append(served.scene.store.engine, "pi", "bob@desk", "lock", "while you look")
        page.wait_for_function("() => document.body.innerText.includes('while you look')", timeout=60_000)
        assert page.evaluate("document.activeElement.tagName") == "A", "the focus stays where it was"
        assert problems(page) == []


def test_metrics_and_headers(served: Served) -> None:
    """Prometheus gets its text; the server does not tell what it is made of."""
    answer = httpx.get(f"{served.url}/metrics")
    assert answer.status_code == 200
    assert "farm_findings_open" in answer.text
    assert "server" not in answer.headers
    assert answer.headers["x-frame-options"] == "DENY"
    with socket.create_connection(("127.0.0.1", int(served.url.rpartition(":")[2]))) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        told = b"".join(iter(lambda: raw.recv(4096), b"")).decode()
    assert " 400 " in told.splitlines()[0]
    assert "more than 64 KiB\n  fix: ask for less" in told


def test_the_fleet_is_what_inventory_and_store_say(served: Served, tmp_path: Path) -> None:
    """Health, canaries and drift, who has a device reserved, and devices that only the store knows."""
    path = served.token_file.parent.parent / "inventory.toml"
    fleet = FleetView(served.scene.store, path, alarm_after_s=3600.0)
    found = {one.name: one for one in fleet.devices()}
    assert list(found)[:3] == ["local", "pi", "jetson"]
    assert (found["nano"].known, found["nano"].health) == (False, "unknown")
    pi = found["pi"]
    assert (pi.health, pi.reserved_by, pi.silent, pi.word) == ("good", "ann@desk", True, "offline")
    assert len(pi.canaries) == 12
    assert pi.usual_ns is not None
    assert pi.drift
    assert found["jetson"].word == "quarantined"
    assert not found[HOSTILE].known
    assert any(entry.event == "lock" for entry in fleet.audit("pi", 10))
    assert (fleet.jobs(), fleet.waiting(), fleet.device("never")) == ((), (), None)


def test_it_starts_refuses_and_ends_in_order(tmp_path: Path) -> None:
    """The token's file is private; SIGTERM ends it with 0; a port in use is an error."""
    with serving(tmp_path) as (process, said):
        file = Path(said["token_file"])
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert len(file.read_text().strip()) > 40
        assert httpx.get(said["url"]).status_code == 200
        port = str(said["port"])
        with serving(tmp_path, "--port", port) as (second, _):
            _, errors = second.communicate(timeout=300)
            assert (second.returncode, "serve.port-in-use" in errors) == (3, True)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=300)
        assert (process.returncode, "Traceback" in errors) == (0, False), errors


def test_bad_tokens_and_addresses_are_errors(tmp_path: Path) -> None:
    """A token that others may read or that is none, a folder that is none, an address of another machine."""
    file = tmp_path / "token"
    first = read_token(file)
    assert read_token(file) == first
    file.chmod(0o640)
    with pytest.raises(UsageError, match="others may read"):
        read_token(file)
    file.unlink()
    file.touch(0o600)
    with pytest.raises(UsageError, match="does not hold a token"):
        read_token(file)
    with pytest.raises(UsageError, match="cannot be used"):
        read_token(Path("/proc/nothing/here"))
    for host in ("192.0.2.1", "no such name"):
        with pytest.raises(UsageError, match="nothing can listen"):
            bind(host, 0)


def test_a_reader_who_goes_away_harms_nobody(served: Served) -> None:
    """Half a request, garbage and a closed connection leave the server as it was."""
    host, port = served.url.removeprefix("http://").split(":")
    for sent in (
        b"GET / HTTP/1.1\r\nHost: 127",
        b"\x16\x03\x01garbage\r\n\r\n",
        b"GET /runs HTTP/1.1\r\n\r\n",
        b"GET /runs?limit=" + b"1" * 1_000_000 + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
    ):
        with socket.create_connection((host, int(port))) as link:
            link.sendall(sent)
    assert httpx.get(f"{served.url}/runs").status_code == 200
