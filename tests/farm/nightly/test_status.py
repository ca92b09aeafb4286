"""What ``farm nightly status`` says of nights that are done, go on, broke off or never were."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import farm.cli
from farm.devices import leases, reservations
from farm.health import quarantine
from farm.nightly.diary import night_of, recent
from farm.nightly.obstacles import seen
from farm.nightly.record import CellRecord, NightRecord
from farm.nightly.report import plan_sentences
from farm_results.history import nights
from farm_results.storage.session import changing
from farm_results.store import Store, open_store
from tests.farm.nightly.fake_bench import Cell
from tests.farm.nightly.world import World


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    """The store of the commands, empty."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FARM_STORE", str(tmp_path / "store"))
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


class Status:
    """The command, called in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys
        self.code, self.out, self.err = 0, "", ""

    def __call__(self, *words: str) -> Status:
        """Call it; what it printed is in ``out`` and ``err``."""
        self._capsys.readouterr()
        self.code = farm.cli.main(["nightly", "status", *words])
        self.out, self.err = self._capsys.readouterr()
        return self

    def json(self, *words: str) -> Any:
        """The document that it prints."""
        return json.loads(self(*words, "--json").out)


@pytest.fixture
def status(capsys: pytest.CaptureFixture[str]) -> Status:
    """``farm nightly status``."""
    return Status(capsys)


def test_without_a_night_there_is_a_document_all_the_same(store: Store, status: Status) -> None:
    """Words for people, JSON for programs, exit code 4 for both; the list of none, too."""
    assert store.count() == 0
    assert "no night yet: farm nightly run" in status().err
    assert status.code == 4
    document = status.json()
    assert (document["schema"], document["night_id"], document["findings"]) == ("farm.nightly/1", None, [])
    assert status("--last", "5").err == "no night yet: farm nightly run\n"
    assert (status.code, status.out) == (4, "")
    assert status.json("--last", "5") == {"schema": "farm.nights/1", "nights": []}


def test_each_end_of_a_night_has_its_words(store: Store, status: Status) -> None:
    """Done and quiet, found something, interrupted, killed, given up; and a list of all."""
    world = World(store, Cell(model="a"), Cell(model="b"))
    world.nights(7)
    assert "nothing else to see: --all shows every cell" in status().err
    assert len(status("--all").out.splitlines()) == 3

    world.levels[world.cells[0].series] *= 1.2
    world.cells[0].artifact, world.cells[0].old_ns = "a2", 5e6
    world.night(quiet=False)
    shown = status().out.splitlines()
    assert [line.split("\t")[0] for line in shown] == ["verdict", "REGRESSION"], "said once, not per cell too"
    assert len([line for line in status("--all").out.splitlines() if "\ta\t" in line]) == 2

    world.bench.interrupt_after = 1
    world.night()
    assert "it was interrupted: farm nightly run goes on with it where it was" in status().err
    (broken, *_) = recent(store)
    waits = replace(broken.cells[0], outcome="", comparison_id="ab-1", text="the A/B says slower")
    nights.put(store, night_of(replace(broken, state="running", ended_unix_s=None, cells=(waits,))))
    assert "its process ended before it did: farm nightly run goes on" in status().err
    assert "the A/B says slower" in status.out, "a cell that waits for its verdict is seen"
    world.bench.interrupt_after = None
    world.night()
    assert "a newer night took its place" in status(broken.night_id).err

    with changing(store) as connection:  # a list reads no record
        connection.exec_driver_sql("UPDATE night SET record = 'unreadable'")
    lines = status("--last", "3").out.splitlines()
    assert [line.split("\t")[2] for line in lines] == ["state", "done", "interrupted", "done"]
    assert lines[3].endswith("\t2\t0\t0\t1 regression")
    listed = status.json("--last", "3")["nights"]
    assert [night["findings"] for night in listed] == [{}, {}, {"regression": 1}]
    assert listed[2]["states"] == {"measured": 2}


def test_what_cannot_be_compared_did_not_stand_out(store: Store, status: Status) -> None:
    """Two kinds of cells without a verdict, each in its own words."""
    made = [("throttled: not to be compared", None), ("too little", 1.7), ("too little", -1.6)]
    cells = tuple(
        CellRecord(
            f"k{place}",
            "pi",
            "net",
            "t",
            "s",
            state="measured",
            outcome="unconfirmed",
            text=text,
            trigger_z=z,
        )
        for place, (text, z) in enumerate(made)
    )
    nights.begin(store, night_of(NightRecord("night-1", 1e9, state="done", ended_unix_s=1e9, cells=cells)))
    lines = status().err.splitlines()
    assert "1 without a verdict: throttled: not to be compared" in lines
    assert any(line.startswith("2 stood out, and no A/B") for line in lines)


def test_a_night_of_the_future_is_not_the_last_one_for_ever(store: Store, status: Status) -> None:
    """Measured before the clock was set back by years: the newest one of today is shown."""
    for night_id, at_unix_s in (("night-now", 1.7e9), ("night-future", 9e9)):
        nights.begin(store, night_of(NightRecord(night_id, at_unix_s, state="done", ended_unix_s=at_unix_s)))
    assert status.json()["night_id"] == "night-now"


def test_a_plan_says_which_devices_cannot_be_had(store: Store) -> None:
    """One in quarantine is not promised; who else has one is said; one's own reservation is no obstacle."""
    quarantine.put(store.engine, "sick", "me@here", "fan is broken")
    for device, owner in (("theirs", "alice@there"), ("mine", "me@here")):
        reservations.reserve(store.engine, device, owner, for_s=3600.0, reason="tests")
    leases.take(store.engine, "busy", "job-1", "bob@there pid 1 run x", owner="bob@there")
    names = ("sick", "theirs", "mine", "busy", "free")
    cells = [CellRecord(name, name, "net", "onnxruntime fp32", name) for name in names]
    marked, lines = seen(store, cells, "me@here")
    assert [cell.state for cell in marked] == ["failed", *["waiting"] * 4]
    assert "fan is broken" in marked[0].why
    assert [line.split()[0] for line in lines] == ["sick", "theirs", "busy"]
    assert "farm health recover sick" in lines[0]
    assert "--anyway" not in lines[0], "nights have no such option"
    assert "reserved by alice@there" in lines[1]
    assert "in use now by bob@there" in lines[2]


def test_a_budget_that_holds_less_than_the_first_cells_is_said() -> None:
    """The canary and the first cell are planned in any case."""
    cells = [CellRecord(name, "pi", name, "onnxruntime fp32", name, estimate_s=66.0) for name in "ab"]
    (line,) = plan_sentences(cells, 60.0)
    assert line.startswith("pi: 2 of 2 cells, about 2 min of 60 s: more than the budget")
    assert "more than" not in plan_sentences(cells, 600.0)[0]
