"""What a worker makes of a store that is away: the result waits, the device keeps its copy."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm.errors import InfrastructureError
from farm.jobs import spooling
from farm_results.store import open_store
from tests.results.made import result, run


class Heard:
    """A reporter that remembers."""

    def __init__(self) -> None:
        self.ended: list[str] = []
        self.notes: list[str] = []

    def end(self, _cell: object, made: Any) -> None:
        """A result was kept, here or there."""
        self.ended.append(made.job_id)

    def note(self, text: str) -> None:
        """A line for a person."""
        self.notes.append(text)


def test_a_locked_store_costs_no_result(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A measured one is not to be acknowledged, a failure is just kept; both are stored afterwards, once."""
    monkeypatch.setattr("farm_results.storage.engine.BUSY_TIMEOUT_MS", 50)
    store = open_store(tmp_path / "store")
    store.add_run(run())
    heard = Heard()
    safe = spooling.Spooling.of(tmp_path / "state", store, run())
    work: Any = SimpleNamespace(store=store, reporter=heard, spooling=safe)
    cell: Any = SimpleNamespace(job_id="job-1")
    other = sqlite3.connect(store.name, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(spooling.SpooledError) as caught:
        spooling.keep(work, cell, result("job-1"), {spooling.DONE: "a" * 64})
    assert caught.value.code == "store.locked"
    failed = result("job-2", status="failed", error_code="runtime.missing", latency=None)
    spooling.keep(work, cell, failed, {spooling.ENDED: "yes"})
    assert heard.ended == ["job-1", "job-2"]
    assert all("waits in" in text for text in heard.notes)
    work.spooling = None
    with pytest.raises(InfrastructureError) as lost:
        spooling.keep(work, cell, result("job-3"))
    assert not isinstance(lost.value, spooling.SpooledError)
    other.rollback()
    assert spooling.flush(store, safe.spool, heard.note) == 0
    assert [one.job_id for one in store.results()] == ["job-1", "job-2"]
    assert heard.notes[-1] == "stored 2 results that had waited for the store"
    other.close()
    store.close()
