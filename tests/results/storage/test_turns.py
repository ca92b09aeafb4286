"""Hundreds of threads that write into one SQLite store."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from farm_results.storage import engine as engine_module
from farm_results.storage.engine import open_engine, writing
from farm_results.store import open_store
from tests.results.made import result, run

WRITERS = 500


def test_hundreds_of_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.add_run(run())
    together = threading.Barrier(WRITERS, timeout=60)

    def write(index: int) -> None:
        together.wait()
        store.add_result(result(f"job-{index}"))

    with ThreadPoolExecutor(WRITERS) as pool:
        for future in [pool.submit(write, index) for index in range(WRITERS)]:
            future.result()
    assert len(store.results()) == WRITERS
    store.close()


def test_a_turn_ends_with_its_transaction_however_that_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Were it kept, the next writer would wait for an hour."""
    monkeypatch.setattr(engine_module, "BUSY_TIMEOUT_MS", 3_600_000)
    writer = writing(open_engine(tmp_path))
    with pytest.raises(OperationalError), writer.begin() as connection:
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))
    with writer.connect() as connection:
        connection.begin()
        connection.invalidate()
    with pytest.raises(KeyError), writer.begin():
        raise KeyError
    with writer.begin() as connection:
        connection.execute(text("CREATE TABLE here (x)"))
    with writer.begin() as connection:
        assert connection.execute(text("SELECT count(*) FROM here")).scalar() == 0
