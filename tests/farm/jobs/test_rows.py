"""What is written down of jobs, and that it ends in the transaction that stores the result; on both kinds
of database."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update

from farm.devices.holder import holder_text
from farm.errors import InfrastructureError
from farm.jobs import rows, runs
from farm.jobs.context import DataNote, MeterNote
from farm_results.storage.schema import JOB
from farm_results.store import Store, open_store
from tests.farm.jobs.made import context
from tests.results import made


@pytest.fixture
def store(store_address: str) -> Iterator[Store]:
    opened = open_store(store_address)
    opened.add_run(made.run())
    yield opened
    opened.close()


def test_everything_comes_back_as_it_was(store: Store) -> None:
    data = DataNote("digits", "c" * 64, "/x.npz", 360, "classes", "top-1", "/r.npz", "onnxruntime")
    whole = context(data=data, meters=(MeterNote("joule", "joulescope"),), batch=4)
    rows.begin(store.engine, whole)
    rows.begin(store.engine, replace(whole, model="another"))
    (row,) = rows.unfinished(store.engine, "pi")
    assert (row.state, row.context) == (rows.BEGUN, whole)
    rows.started(store.engine, replace(whole, sent_bytes=17, sent_files=2))
    (row,) = rows.unfinished(store.engine)
    assert (row.state, row.context.sent_bytes) == (rows.STARTED, 17)
    assert rows.unfinished(store.engine, "another") == ()
    assert rows.unfinished(store.engine, devices=["another", "pi"]) == (row,)


def test_the_oldest_comes_first(store: Store) -> None:
    for name in ("job-2", "job-1", "job-3"):
        rows.begin(store.engine, context(name))
    rows.started(store.engine, context("job-2"))
    assert [row.job_id for row in rows.unfinished(store.engine)] == ["job-1", "job-3", "job-2"]


def test_a_result_and_the_end_of_its_job_are_one_transaction(store: Store) -> None:
    """When the second half fails nothing is stored; delivered twice, there is one."""
    rows.begin(store.engine, context())
    result = made.result("job-1", sample_hashes=())
    with pytest.raises(ZeroDivisionError):
        store.add_result(result, also=lambda _connection: 1 / 0)  # type: ignore[arg-type]
    assert not store.has_result("job-1")
    for _ in range(2):
        store.add_result(result, also=lambda connection: rows.done(connection, "job-1", "f" * 64))
    (row,) = rows.unfinished(store.engine)
    assert (row.state, row.result_sha256, row.context) == (rows.STORED, "f" * 64, context())
    assert store.count() == 1
    rows.started(store.engine, context())  # a driver that was thought dead
    assert rows.unfinished(store.engine)[0].state == rows.STORED
    assert rows.forget(store.engine, "job-1")
    assert not rows.forget(store.engine, "job-1")


@pytest.mark.parametrize(
    ("code", "taken"),
    [("device.unreachable", True), ("lease.lost", True), ("runtime.crashed", False), ("", False)],
)
def test_a_late_result_replaces_only_what_says_nothing_of_the_job(
    store: Store, code: str, taken: bool
) -> None:
    status = "failed" if code else "ok"
    early = made.result("job-1", sample_hashes=(), status=status, error_code=code, model="early")
    assert store.add_result(early)
    late = made.result("job-1", sample_hashes=(), model="late")
    assert not store.add_result(late)
    assert store.add_result(late, late=True) == taken
    assert store.result("job-1").model == ("late" if taken else "early")
    assert store.count() == 1


def test_what_cannot_be_read_says_how_to_get_rid_of_it(store: Store) -> None:
    rows.begin(store.engine, context())
    for text in ("{}", "no JSON", "[1]", '{"context": {"job_id": 1}}'):
        with store.engine.begin() as connection:
            connection.execute(update(JOB).values(record=text))
        (row,) = rows.unfinished(store.engine)
        with pytest.raises(InfrastructureError) as caught:
            _ = row.context
        assert caught.value.code == "job.unreadable"
        assert "farm jobs drop job-1" in caught.value.fix


def test_a_run_ends_when_its_driver_is_dead_for_certain(store: Store) -> None:
    mine = holder_text("run x")
    dead = mine.replace(" (", " (", 1)[: mine.rindex(":")] + ":1)"
    texts = {
        "lives": mine,
        "died": dead,
        "elsewhere": "me@elsewhere pid 1 run x (0123456789abcdef:1)",
        "old": "",
    }
    for name, text in texts.items():
        store.add_run(replace(made.run(name), driver=text, planned=2))
    assert runs.close_dead(store) == ("died",)
    assert runs.close_dead(store) == ()
    other_boot = f"me@{socket.gethostname()} pid 1 run x (0123456789abcdef:1)"
    store.add_run(replace(made.run("before the reboot", 1000.0), driver=other_boot))
    store.add_run(replace(made.run("of a namesake", time.time() + 60), driver=other_boot))
    assert runs.close_dead(store) == ("before the reboot",)
    run = store.run("died")
    assert run is not None
    assert (run.state, run.cause) == ("interrupted", runs.DIED)
    assert run.ended_unix_s is not None
    rows.begin(store.engine, context("job-9", "died"))
    assert runs.unfinished_text(store, "died") == (
        "run died was interrupted (its driver died): 0 of 2 results; 1 more can be brought home with "
        "`farm jobs collect`"
    )
    assert runs.unfinished_text(store, "lives") == "run lives goes on: 0 of 2 results"


def test_jobs_of_a_run_that_a_person_interrupted_are_not_wanted(store: Store) -> None:
    name = made.run().run_id
    assert runs.wanted(store, name)
    store.end_run(name, "interrupted", cause=runs.DIED)
    assert runs.wanted(store, name)
    store.end_run(name, "interrupted")
    assert not runs.wanted(store, name)
    assert runs.wanted(store, "never added")
