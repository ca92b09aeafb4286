"""Sixteen processes write at once, into the same series and the same runs."""

from __future__ import annotations

import multiprocessing

from farm_results.finding import Finding
from farm_results.history import baselines, findings
from farm_results.history.points import points, series_rows
from farm_results.store import open_store
from tests.results.made import result, run

FORK = multiprocessing.get_context("fork")
WRITERS, EACH = 16, 3


def write(address: str, number: int) -> None:
    """Results of two series, some of which another writer stores as well; a finding; a baseline."""
    store = open_store(address)
    store.add_run(run())
    for count in range(EACH):
        at = 1000.0 + number * EACH + count
        store.add_result(result(f"job-{number:02}-{count}", created_unix_s=at, device=f"d{count % 2}"))
        store.add_result(result(f"shared-{count}", created_unix_s=1.0 + count))
    findings.add(store, Finding(f"f{number}", "n", "s", "d", "m", 1.0, "silent"))
    baselines.put(store, series="s", job_id=f"{number}", artifact_sha256="", actor="x", event="initial")
    store.close()


def test_sixteen_processes_write_at_once(store_address: str) -> None:
    """Nothing is lost, nothing is doubled, and each series ends with its newest."""
    open_store(store_address).close()
    writers = [FORK.Process(target=write, args=(store_address, number)) for number in range(WRITERS)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert [writer.exitcode for writer in writers] == [0] * WRITERS
    store = open_store(store_address)
    assert store.count() == WRITERS * EACH + EACH
    rows = {row.key.device: row for row in series_rows(store)}
    assert set(rows) == {"pi", "d0", "d1"}
    for name, row in rows.items():
        found = points(store, row.series)
        assert (row.first_unix_s, row.last_unix_s) == (found[0].at_unix_s, found[-1].at_unix_s), name
        assert row.last_job_id == row.last_ok_job_id == found[-1].job_id
    assert len(findings.of_night(store, "n")) == WRITERS
    assert len(baselines.history(store, "s")) == 1
    store.close()
