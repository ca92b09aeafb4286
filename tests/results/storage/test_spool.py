"""A store that goes away in the middle of the work: nothing is lost, nothing is stored twice."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from farm.jobs import spooling
from farm_agent import codec
from farm_agent.errors import InfrastructureError, UsageError
from farm_results.comparison import Comparison, Side
from farm_results.history import comparisons, points
from farm_results.series import key_of, series_id
from farm_results.storage.spool import Spool, Spooled, keep
from farm_results.store import Store, open_store
from tests.postgres import Server
from tests.results.made import HOSTILE, result, run

SIDE = Side("old", "mobilenet", "d" * 64, "e" * 64, "onnxruntime", "1.23.0", "job-1", (1.0, 2.0))
PAIRED = Comparison("job-0", 1.0, "ab", "s", "pi", run().run_id, SIDE, SIDE, "slower", 2)
"""Of the name of a job whose result waits, too."""


def test_a_server_that_crashes_and_comes_back(postgres: Server, tmp_path: Path) -> None:
    """Results spooled meanwhile are stored when it answers, each once, with their series."""
    store = open_store(postgres.create())
    store.add_run(run())
    assert store.add_result(result("before"))
    spool = Spool(tmp_path, store.name)
    postgres.stop()
    try:
        for number in range(3):
            entry = Spooled(run(), result(f"job-{number}", created_unix_s=2000.0 + number))
            error = keep(store, spool, entry)
            assert error is not None
            assert error.code == "store.unreachable"
        safe = spooling.Spooling(spool, run())
        heard: list[str] = []
        spooling.keep_comparison(store, safe, PAIRED, heard.append)
        # What came after it, because the store was away, must not take its place.
        spooling.keep_comparison(store, safe, replace(PAIRED, word="failed"), heard.append)
        assert all(text.startswith("job-0: the store is away") for text in heard)
        gone = spool.flush(store)
        assert (gone.stored, gone.waiting, gone.refused) == ((), 4, ())
        with pytest.raises(InfrastructureError) as caught:
            spooling.drain(store, spool, lambda _text: None, patience_s=0.0)
        assert caught.value.code == "store.spooled"
    finally:
        postgres.start()
    saved = tmp_path / "saved"
    shutil.copytree(spool.folder, saved)
    spooling.drain(store, spool, lambda _text: None)
    assert spool.count() == 0
    # Killed after the commit and before the file went: it is tried again, and changes nothing.
    shutil.copytree(saved, spool.folder, dirs_exist_ok=True)
    assert len(spool.flush(store).stored) == 4
    assert comparisons.of_run(store, run().run_id) == [PAIRED]
    assert sorted(one.job_id for one in store.results()) == ["before", "job-0", "job-1", "job-2"]
    found = points.points(store, series_id(key_of(result())))
    assert [point.job_id for point in found] == ["before", "job-0", "job-1", "job-2"]
    store.close()


@pytest.fixture
def away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Store, Spool, sqlite3.Connection]:
    """A store that another program has locked, and what it is let go with."""
    monkeypatch.setattr("farm_results.storage.engine.BUSY_TIMEOUT_MS", 50)
    store = open_store(tmp_path / "store")
    store.add_run(run())
    other = sqlite3.connect(store.name, isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    return store, Spool(tmp_path / "state", store.name), other


def test_what_was_measured_outlives_a_failure(away: tuple[Store, Spool, sqlite3.Connection]) -> None:
    """A failure to reach the store comes after it and must not take its place; a row's end goes along."""
    store, spool, other = away
    failed = result("job-1", status="failed", error_code="store.locked", latency=None)
    for wanted in (failed, result("job-1"), failed):
        assert keep(store, spool, Spooled(run(), wanted, {"done": "a" * 64})) is not None
    assert [entry.result and entry.result.status for entry in spool.entries()] == ["ok"]
    hostile = result("job\x00\udc80", model=HOSTILE[3], error_message="<script>" * 10_000)
    keep(store, spool, Spooled(run("a run that the store never saw"), hostile))
    other.rollback()
    noted = []

    def also(entry: Spooled) -> None:
        noted.append(dict(entry.note))

    assert set(spool.flush(store, also).stored) == {"job-1", "job\x00\udc80"}
    assert noted == [{"done": "a" * 64}, {}]
    assert store.result("job-1").status == "ok"
    assert store.result("job\x00") == hostile
    other.close()
    store.close()


def test_a_measured_result_takes_the_place_of_a_stored_failure(
    away: tuple[Store, Spool, sqlite3.Connection],
) -> None:
    """The failure reached the store, what the device measured waited: the latter counts in the end."""
    store, spool, other = away
    keep(store, spool, Spooled(run(), result("job-1")))
    other.rollback()
    store.add_result(result("job-1", status="failed", error_code="store.unreachable", latency=None))
    spool.put(Spooled(run(), comparison=PAIRED))
    comparisons.add(store, replace(PAIRED, word="failed", pairs=0))
    spool.flush(store)
    assert comparisons.of_run(store, run().run_id) == [PAIRED]
    assert store.result("job-1").status == "ok"
    other.close()
    store.close()


def test_what_can_never_be_stored_is_told_and_kept(
    away: tuple[Store, Spool, sqlite3.Connection], tmp_path: Path
) -> None:
    """A lost sample file, a spoilt entry: the rest goes on; what waiting cannot mend is raised."""
    store, spool, other = away
    keep(store, spool, Spooled(run(), result("job-1")))
    lost = spool.put(Spooled(run(), result("job-2", sample_hashes=("e" * 64,))))
    (spool.folder / "spoilt.json").write_text("{")
    (spool.folder / "empty.json").write_text(codec.dumps(Spooled(run())))
    other.rollback()
    done = spool.flush(store)
    assert done.stored == ("job-1",)
    assert len(done.refused) == 3
    assert lost.exists()
    assert any("e" * 64 in text for text in spool.texts())
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError) as caught:
        Spool(tmp_path / "file", "x").put(Spooled(run(), result()))
    assert caught.value.code == "store.not-writable"
    with pytest.raises(InfrastructureError) as missing:
        keep(store, spool, Spooled(run(), result("job-3", sample_hashes=("f" * 64,))))
    assert missing.value.code == "store.object-missing"
    other.close()
    store.close()
