"""A writer that is killed at any moment leaves whole things or nothing."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sqlite3
from multiprocessing.connection import Connection
from pathlib import Path

from farm_results.store import open_store
from tests.results.made import packed, quiet_pairs, result, run, sha256

FORK = multiprocessing.get_context("fork")
KILLS = 20


def _write_for_ever(folder: Path, round_number: int, told: Connection) -> None:
    """Say the number of each result once it is stored."""
    store = open_store(folder)
    store.add_run(run())
    number = 0
    while True:
        sha = store.objects.put_bytes(packed(quiet_pairs(round_number * 1000 + number, count=200)))
        store.add_result(result(f"job-{round_number}-{number}", sample_hashes=(sha,)))
        told.send(number)
        number += 1


def test_nothing_half_written_after_kill_nine(tmp_path: Path) -> None:
    """20 times: kill a writer in the middle of its work; everything it reported is there and whole."""
    promised = set()
    for round_number in range(KILLS):
        hear, tell = FORK.Pipe(duplex=False)
        writer = FORK.Process(target=_write_for_ever, args=(tmp_path, round_number, tell))
        writer.start()
        for _ in range(1 + round_number % 3):
            assert hear.poll(60)
            promised.add(f"job-{round_number}-{hear.recv()}")
        # A pseudo-random moment of the next write, in steps of its own progress, not of any clock.
        for _ in range(round_number * 997 % 4001):
            os.getppid()
        assert writer.pid is not None
        os.kill(writer.pid, signal.SIGKILL)
        writer.join()
        while hear.poll():
            try:
                promised.add(f"job-{round_number}-{hear.recv()}")
            except EOFError:
                break
        hear.close()
        tell.close()
    store = open_store(tmp_path)
    stored = store.results()
    assert promised <= {one.job_id for one in stored}
    for one in stored:
        assert store.objects.open(one.sample_hashes[0]).read()
    for path in store.objects.folder.glob("??/*"):
        assert sha256(path.read_bytes()) == path.parent.name + path.name
    with sqlite3.connect(store.name) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
