"""The page of a night that still goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.history import nights
from farm_results.night import DONE, Night
from farm_results.store import open_store
from tests.results.dashboard.client import TOKEN, Client, Fleet


def test_a_night_is_seen_while_it_runs(tmp_path: Path) -> None:
    """What is measured, what waits, an A/B whose verdict waits for the others; it renews itself till then."""
    store = open_store(tmp_path)
    cell = {"device": "pi", "model": "net", "what": "onnxruntime fp32", "series": "s", "state": "measured"}
    text = "the A/B says slower: +5.0 %; judged when all A/Bs of the night are there"
    cells = [cell | {"text": text, "comparison_id": "ab-1"}, cell | {"state": "waiting", "what": "later"}]
    night = Night("night-1", 1e9, record={"cells": cells})
    nights.begin(store, night)
    access = Access(TOKEN, open_reading=True, port=8787)
    client = Client(Dashboard(store, access, fleet=Fleet(), now=lambda: 1e9 + 60.0))
    page = client.get("/nights/night-1").text
    assert text in page
    assert "/comparisons/ab-1" in page
    assert "waiting" in page
    assert "nothing yet: verdicts come when all A/Bs are there" in page
    nights.put(store, replace(night, state=DONE, ended_unix_s=2e9))
    ended = client.get("/nights/night-1").text
    assert "nothing yet" not in ended
    assert "every 30s" in page
    assert "every 30s" not in ended
    store.close()
