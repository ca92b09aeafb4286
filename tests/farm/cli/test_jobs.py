"""``farm jobs`` and ``farm devices who|reserve|lock|unlock``: a real store behind the commands."""

from __future__ import annotations

import json
from typing import Any

import pytest

import farm.cli
from farm.config import load_config
from farm.devices import leases
from farm.devices.holder import holder_text
from farm.jobs import rows
from farm_results.store import Store, open_store
from tests.farm.jobs.made import context
from tests.results import made

Streams = pytest.CaptureFixture[str]


def said(capsys: Streams, code: int, *words: str) -> tuple[str, str]:
    """What a command wrote, after it ended with ``code``."""
    assert farm.cli.main(list(words)) == code, words
    streams = capsys.readouterr()
    return streams.out, streams.err


def document(capsys: Streams, *words: str, code: int = 0) -> Any:
    return json.loads(said(capsys, code, *words, "--json")[0])


@pytest.fixture
def store() -> Store:
    opened = open_store(load_config().store)
    opened.add_run(made.run())
    return opened


def test_unfinished_jobs_are_listed_and_given_up(store: Store, capsys: Streams) -> None:
    out, _ = said(capsys, 4, "jobs")
    assert out == "job\tdevice\tstate\tage\tdriver\n"
    rows.begin(store.engine, context("job-1"))
    rows.begin(store.engine, context("job-2", device="local"))
    lease = leases.take(store.engine, "local", "job-2", holder_text("run x"))
    assert lease is not None
    listed = {each["job_id"]: each for each in document(capsys, "jobs")["jobs"]}
    assert (listed["job-1"]["state"], listed["job-1"]["driver"]) == ("begun", "")
    assert listed["job-2"]["driver"].endswith("run x")
    _, err = said(capsys, 2, "jobs", "drop", "job-2")
    assert "error[job.driven]" in err
    _, err = said(capsys, 2, "jobs", "drop", "job-9")
    assert "error[job.not-unfinished]" in err
    assert document(capsys, "jobs", "drop", "job-1")["device"] == "pi"
    assert store.result("job-1").error_code == "job.dropped"
    assert [row.job_id for row in rows.unfinished(store.engine)] == ["job-2"]


def test_jobs_of_a_device_that_is_not_in_the_inventory_say_so(store: Store, capsys: Streams) -> None:
    _, err = said(capsys, 4, "jobs", "collect")
    assert "nothing is unfinished" in err
    rows.begin(store.engine, context("job-1"))
    _, err = said(capsys, 3, "jobs", "collect")
    assert "error[device.unknown]: jobs are left on pi" in err
    said(capsys, 4, "jobs", "collect", "-d", "local")


def test_who_has_a_device_and_for_whom_it_is_kept(store: Store, capsys: Streams) -> None:
    (free,) = document(capsys, "devices", "who")["devices"]
    assert (free["device"], free["holder"], free["reservation"]) == ("local", "", None)
    made_now = document(capsys, "devices", "reserve", "local", "--for", "2h", "--reason", "fan")[
        "reservation"
    ]
    assert made_now["until_unix_s"] - made_now["since_unix_s"] == pytest.approx(7200, abs=0.01)
    out, _ = said(capsys, 0, "devices", "who", "local")
    assert "reserved by" in out.splitlines()[1]
    assert document(capsys, "devices", "lock", "local")["reservation"]["until_unix_s"] is None
    assert document(capsys, "devices", "unlock", "local")["ended"]["reason"] == ""
    _, err = said(capsys, 0, "devices", "unlock", "local")
    assert "was not reserved" in err
    for words in (("who", "nix"), ("lock", "nix"), ("reserve", "local", "--for", "0s"), ("reserve", "local")):
        said(capsys, 2, "devices", *words)


def test_a_run_that_was_cut_short_does_not_look_whole(
    store: Store, capsys: Streams, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until its driver is gone it goes on; then it is interrupted, and what is missing is said."""
    from dataclasses import replace

    from farm.devices import holder

    run = replace(made.run("20261121-070000-bbbb", 2000.0), driver=holder_text("run b"), planned=3)
    store.add_run(run)
    store.add_result(made.result("job-7", run_id=run.run_id, sample_hashes=()))
    _, err = said(capsys, 0, "results", "show", "last")
    assert f"run {run.run_id} goes on: 1 of 3 results" in err
    monkeypatch.setattr(holder, "provably_dead", lambda text: text == run.driver)
    _, err = said(capsys, 0, "results", "show", "last")
    assert f"run {run.run_id} was interrupted (its driver died): 1 of 3 results" in err
    out, _ = said(capsys, 0, "results", "runs")
    assert "\tinterrupted: its driver died\t" in out
