"""A farm without baselines: its pages lead to a comparison with them, which says what is missing."""

from __future__ import annotations

from pathlib import Path

from farm_results.dashboard.access import Access
from farm_results.dashboard.app import Dashboard
from farm_results.history import baselines
from farm_results.series import key_of, series_id
from farm_results.store import open_store
from tests.results.dashboard.client import TOKEN, Client
from tests.results.made import result, run


def test_a_run_without_baselines_leads_to_the_command_that_sets_them(tmp_path: Path) -> None:
    store = open_store(tmp_path / "store")
    for name in ("run-1", "run-2"):
        store.add_run(run(name))
        store.add_result(result(f"{name}-000", run_id=name))
    store.add_run(run("in-turns"))
    access = Access(TOKEN, open_reading=True, read_only=True, port=8787)
    client = Client(Dashboard(store, access))
    there = "/compare?a=%40baseline&b=run-2"
    assert there.replace("&", "&amp;") in client.get("/runs/run-2").text
    missing = client.get(there)
    assert missing.status_code == 200
    assert "none of these series has a baseline yet" in missing.text
    assert "<code>farm baseline set run-2</code>" in missing.text
    assert 'value="run-2"' in missing.text  # the form is there, to name another side
    assert "in-turns has no results" in client.get("/compare?a=in-turns&b=run-1").text
    series = series_id(key_of(result()))
    baselines.put(store, series=series, job_id="run-1-000", artifact_sha256="", actor="ann")
    found = client.get(there)
    assert found.status_code == 200
    assert "baseline set" not in found.text
    assert "Show the 1 that are unchanged, too" in found.text
    store.close()
