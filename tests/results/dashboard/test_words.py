"""What pages say where there is little to show, where something broke, and where too much was asked for."""

from __future__ import annotations

from pathlib import Path

from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.dashboard.render import preload, templates
from farm_results.history import nights
from farm_results.night import Night
from farm_results.store import open_store
from tests.results.dashboard.client import TOKEN, Client, Fleet

EMPTY = {
    "/": "farm nightly install makes one",
    "/nights": "farm nightly install makes one",
    "/devices": "farm enroll adds one",
    "/findings": "nothing waits for anybody",
    "/findings?state=all": "nights found nothing yet",
    "/findings?state=invalid": "none is invalid",
    "/runs": "farm bench makes one",
    "/trend": "none yet; farm bench begins one",
    "/trend?device=x": "no series matches",
    "/compare": "Name two sides",
    "/pareto": "no configuration is left",
    "/layers": "none yet: farm bench --profile-ops",
    "/models": "none yet; farm bench measures one",
    "/queue": "nothing was changed yet",
    "/devices?tag=x": "tag=x is left out: here is nothing of it to choose from",
    "/findings?state=x": "state=x is none of open, all, new",
}
"""What a newcomer reads on each page of an empty store."""


def test_an_empty_store_has_pages(tmp_path: Path) -> None:
    """A newcomer's first look says what to do; what is not there says where to begin."""
    store = open_store(tmp_path)
    client = Client(Dashboard(store, Access(TOKEN, open_reading=True)))
    for url, words in EMPTY.items():
        answer = client.get(url)
        assert answer.status_code == 200, (url, answer.text)
        assert words in answer.text, url
    assert '<option value=""></option>' not in client.get("/findings").text
    assert 'What helps: <a href="/models">/models</a></p>' in client.get("/models/none").text
    assert "What helps: <a" not in client.get("/results/none").text
    store.close()


def test_a_running_server_keeps_its_templates() -> None:
    """An update of farm puts others in their place, which do not fit the code that runs."""
    assert not templates().auto_reload
    preload()
    kept = {name for _, name in (templates().cache or {})}
    assert {"page.html", "error.html", "login.html", "shell.html", "_table.html"} <= kept


def test_the_overview_says_what_the_night_could_not_do(tmp_path: Path) -> None:
    """Failed cells make it a warning; a device that is not as it was accepted says so beside its state."""
    store = open_store(tmp_path)
    for number, failed in enumerate((0, 2)):
        began = 1_791_000_000.0 + number * 86_400.0
        nights.begin(store, Night(f"night-{number}", began))
        cells = [{"state": "measured"}] * 3 + [{"state": "failed"}] * failed
        nights.end(store, f"night-{number}", ended_unix_s=began + 60, state="done", record={"cells": cells})
        client = Client(Dashboard(store, Access(TOKEN, open_reading=True), Fleet()))
        page = client.get("/").text
        assert f"done, 3 measured{', 2 failed' * bool(failed)}." in page
        assert (f'notice-{"warn" if failed else "good"}">The last night' in page) is True
    assert "busy, changed" in page, "pi has another kernel than it was accepted with"
    head = client.get("/devices?csv=devices").text.splitlines()[0]
    assert head.startswith("device,state,health,reason,changed since accepted,"), "seen without scrolling"
    assert ">2 of 3 devices<" in client.get("/devices?q=i").text
    store.close()
