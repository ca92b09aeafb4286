"""``farm results`` query, import, merge, verify and gc, as a person calls them."""

from __future__ import annotations

import io
import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

import farm.cli
from farm.jobs import spooling
from farm_results.storage.spool import Spool, Spooled
from farm_results.store import open_store
from tests.results.made import HOSTILE, packed, quiet_pairs, result, run


@dataclass(frozen=True)
class Done:
    """What one command left behind."""

    exit_code: int
    stdout: str
    stderr: str


Called = Callable[..., Done]


@pytest.fixture
def called(capsys: pytest.CaptureFixture[str]) -> Called:
    """Runs one command in this process."""

    def run_one(*words: str) -> Done:
        capsys.readouterr()
        code = farm.cli.main(list(words))
        return Done(code, *capsys.readouterr())

    return run_one


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with three results, and everything else of this user below a folder."""
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("FARM_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("FARM_CACHE_DIR", str(tmp_path / "cache"))
    store = open_store(tmp_path / "store")
    store.add_run(run())
    store.end_run(run().run_id, "done", 2.0)
    for number, text in enumerate(HOSTILE[4:7]):
        sha256 = store.objects.put_bytes(packed(quiet_pairs(number, count=10)))
        store.add_result(result(f"job-{number}", model=text, sample_hashes=(sha256,)))
    store.close()
    return tmp_path


def test_query(called: Called, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows for a pipe and as JSON; no terminal's escapes come through; what is no question is refused."""
    assert called("results", "query").stdout.startswith("table\tcolumns\naudit\t")
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT job_id, model, NULL AS n FROM result"))
    asked = called("results", "query", "-", "--limit", "2")
    assert asked.exit_code == 0
    assert asked.stdout.splitlines()[0] == "job_id\tmodel\tn"
    assert "\x1b" not in asked.stdout
    assert "only the first 2 rows" in asked.stderr
    sql = "SELECT 1e999 AS inf, packed FROM result_document"
    found = json.loads(called("results", "query", sql, "--json").stdout)
    assert (found["columns"], found["rows"][0][0], found["more"]) == (["inf", "packed"], None, False)
    assert called("results", "query", "SELECT 1 WHERE 1 = 0").exit_code == 4
    refused = called("results", "query", "DROP TABLE run")
    assert (refused.exit_code, "error[results.bad-query]" in refused.stderr) == (2, True)
    assert called("results", "list").exit_code == 0


def test_a_bundle_goes_from_farm_to_farm(
    called: Called, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported here, taken in there, twice; and a whole store merged."""
    bundle = place / "out.zip"
    assert called("results", "export", "last", "--out", str(bundle)).exit_code == 0
    assert called("results", "export", "--device", "pi", "--out", str(bundle)).exit_code == 2
    assert called("results", "export", "--format", "bundle").exit_code == 2
    monkeypatch.setenv("FARM_STORE", str(place / "other"))
    for added in (3, 0):
        done = called("results", "import", str(bundle), "--json")
        assert (done.exit_code, json.loads(done.stdout)["merged"][0]["added"]["results"]) == (0, added)
    assert called("results", "import", str(place / "none.zip")).exit_code == 2
    merged = called("results", "merge", str(place / "store"))
    assert merged.exit_code == 0
    assert merged.stdout.splitlines()[1:] == [
        f"{place / 'store' / 'farm.db'}\truns\t0\t1",
        f"{place / 'store' / 'farm.db'}\tresults\t0\t3",
    ]
    assert "error[results.no-store]" in called("results", "merge", str(place / "nowhere")).stderr
    assert not (place / "nowhere").exists()
    assert "error[results.same-store]" in called("results", "merge", str(place / "other")).stderr


def test_verify_and_gc(called: Called, place: Path) -> None:
    """A sound store, one file spoilt; what nothing names goes once it is old, and not while a run goes on."""
    assert called("results", "verify").exit_code == 0
    store = open_store(place / "store")
    orphan = store.objects.path_of(store.objects.put_bytes(b"orphan"))
    waits = store.objects.put_bytes(b"waits")
    Spool(place / "state", store.name).put(Spooled(run(), result("later", sample_hashes=(waits,))))
    assert "0 of 5 files removed" in called("results", "gc").stderr
    old = time.time() - 3 * 86_400
    os.utime(orphan, (old, old))
    assert orphan.exists()
    spoilt = store.objects.path_of(store.result("job-0").sample_hashes[0])
    spoilt.chmod(0o644)
    spoilt.write_bytes(b"")
    found = called("results", "verify", "--json")
    assert found.exit_code == 1
    assert [one["kind"] for one in json.loads(found.stdout)["problems"]] == ["object"]
    assert "farm results merge" in called("results", "verify").stdout
    assert called("results", "verify", "--quick").exit_code == 0
    store.add_run(run("now", created_unix_s=time.time()))
    assert "error[results.busy]" in called("results", "gc").stderr
    assert called("results", "gc", "--dry-run").exit_code == 0
    store.close()


def test_what_waited_is_stored_by_jobs_collect(called: Called, place: Path) -> None:
    """The store answers again: one command, and once."""
    store = open_store(place / "store")
    spool = Spool(place / "state", store.name)
    spool.put(Spooled(run(), result("late"), {spooling.ENDED: "yes"}))
    done = called("jobs", "collect")
    assert (done.exit_code, "stored 1 result that had waited" in done.stderr) == (0, True)
    assert store.result("late").status == "ok"
    assert called("jobs", "collect").exit_code == 4
    store.close()
