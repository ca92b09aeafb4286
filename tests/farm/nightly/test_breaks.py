"""Nights that break off, whose store goes away or whose clock is set: nothing lost, nothing said twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.devices import leases
from farm.devices.holder import holder_text
from farm.errors import InfrastructureError
from farm.nightly import alone, away
from farm.nightly.bring_home import release_mine
from farm.nightly.diary import Diary, latest, night_of, recent
from farm.nightly.record import CellRecord, NightRecord
from farm.nightly.report import cell_row
from farm_results.comparison import Comparison
from farm_results.finding import Finding
from farm_results.history import findings, nights
from farm_results.night import Night
from farm_results.store import Store, open_store
from tests.farm.nightly.fake_bench import DAY_S, Cell
from tests.farm.nightly.world import World
from tests.results import made


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def _stepped(store: Store, *names: str) -> World:
    """Quiet nights, and tonight every model is 20 % slower than its baseline."""
    world = World(store, *(Cell(model=name) for name in names))
    world.nights(6)
    for cell in world.cells:
        world.levels[cell.series] *= 1.2
        cell.artifact, cell.old_ns = "a2", 5e6
    return world


def _killed(*_words: object, **_options: object) -> bool:
    raise SystemError("killed")


def test_what_a_night_compared_is_judged_although_nobody_goes_on_with_it(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed after two of three A/Bs and never gone on with: the next night judges the two first, as of that
    night, and tells them once; the third has its A/B tonight. Killed while it does so, the one after does."""
    world = _stepped(store, "a", "b", "c")
    plain, asked = world.bench.confirm, len(world.bench.asked)

    def dying(*words: Any, **options: Any) -> Comparison:
        if len(world.bench.asked) == asked + 2:
            raise SystemError("killed")
        return plain(*words, **options)

    monkeypatch.setattr(world.bench, "confirm", dying)
    with pytest.raises(SystemError):
        world.night(quiet=False)
    broken = recent(store)[0]
    assert (broken.state, [cell.state for cell in broken.cells]) == ("running", ["measured"] * 3)
    waiting = [cell for cell in broken.cells if cell.comparison_id]
    assert [cell.outcome for cell in waiting] == ["", ""]
    assert all("the A/B says slower" in cell.text and "when all A/Bs" in cell.text for cell in waiting)
    assert not world.found()

    monkeypatch.setattr(world.bench, "confirm", plain)
    with monkeypatch.context() as patch:
        patch.setattr(findings, "add", _killed)
        with pytest.raises(SystemError):
            world.night(quiet=False)
    tonight = world.night(quiet=False)
    assert tonight.night_id != broken.night_id
    late = findings.of_night(store, broken.night_id)
    assert {each.model for each in late} == {cell.model for cell in waiting}
    assert {each.word for each in world.found()} == {"regression"}
    assert len(world.found()) == 3, "none is told twice"
    assert [title for title, _, _ in world.told] == ["farm: 2 regressions", "farm: 1 regression"]
    closed = next(night for night in recent(store) if night.night_id == broken.night_id)
    assert (closed.state, closed.closed, closed.told) == ("interrupted", True, True)
    outcomes = sorted(cell.outcome for cell in closed.cells)
    assert outcomes == ["regression", "regression", "unconfirmed"]
    world.night()
    assert len(world.told) == 2


def test_a_night_waits_for_its_store_and_goes_on(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """The store goes away while findings are written: the night waits, stores what waited on this machine,
    and ends as if nothing had been. Where the store stays away it ends early and says so, and the next run
    goes on."""
    monkeypatch.setattr(away, "PAUSE_S", 0.001)
    world = _stepped(store, "a", "b")
    plain, put, asked = findings.add, nights.put, len(world.bench.asked)
    codes = ["store.unreachable", "store.locked", "host.disk-full"]
    refused = ["store.unreachable"]
    said: list[str] = []
    recovered: list[Store] = []

    def adding(source: Store, finding: Finding) -> bool:
        if codes:
            raise InfrastructureError("the server is gone", code=codes.pop())
        return plain(source, finding)

    def writing(source: Store, night: Night) -> None:
        if not codes and refused:
            raise InfrastructureError("the server is still gone", code=refused.pop())
        put(source, night)

    monkeypatch.setattr(findings, "add", adding)
    monkeypatch.setattr(nights, "put", writing)
    night = world.night(quiet=False, say=said.append, recover=recovered.append)
    assert [each.word for each in world.found()] == ["regression"] * 2
    assert recovered == [store] * 4, "at its begin and after each time"
    assert sum("the night waits" in text for text in said) == 3
    assert (night.state, night.attempts, night.notes) == ("done", 1, ())
    assert len(world.bench.asked) == asked + 2, "no A/B is taken twice"
    assert not codes + refused

    monkeypatch.setattr(away, "PATIENCE_S", -1.0)
    for cell in world.cells:
        world.levels[cell.series] *= 1.2
        cell.artifact = "a3"
    codes.append("store.unreachable")
    refused.append("store.unreachable")
    with pytest.raises(InfrastructureError):
        world.night(quiet=False)
    (broken, *_) = recent(store)
    assert (broken.state, broken.notes) == ("interrupted", ("it ended early: the server is gone",))
    world.bench.now_s -= DAY_S - 60
    night = world.night(quiet=False)
    assert (night.night_id, night.state, night.attempts) == (broken.night_id, "done", 2)
    assert [each.word for each in world.found()] == ["regression"] * 4
    assert len(world.bench.asked) == asked + 4


def test_a_clock_that_is_set_back_hides_no_night_and_loses_none(store: Store) -> None:
    """After a night of tomorrow the next one, of today, is what status shows; one that broke off shortly
    before the clock was set back by some minutes goes on, and what it had measured stays."""
    world = World(store, Cell(model="a"), Cell(model="b"))
    world.nights(3)
    world.bench.now_s -= 3 * DAY_S - 100
    world.bench.interrupt_after = 1
    broken = world.night()
    assert broken.state == "interrupted"
    shown = latest(store, world.bench.now_s)
    assert shown is not None
    assert shown.night_id == broken.night_id
    world.bench.interrupt_after = None
    world.bench.now_s -= DAY_S + 600
    on = world.night()
    assert (on.night_id, on.attempts, on.state) == (broken.night_id, 2, "done")
    assert store.count() == 8


def test_a_large_night_is_written_down_at_a_pace_and_nothing_stays_unwritten(store: Store) -> None:
    """What can be worked out again is written when it is due, by the diary's own cost; what cannot, at once;
    nobody writes once another process drives the night."""
    times = [0.0]
    lost = threading.Event()
    record = NightRecord("night-1", 10.0, cells=tuple(_cell(number) for number in range(3)))
    nights.begin(store, night_of(record))

    def slow() -> float:
        times[0] += 1.0
        return times[0]

    diary = Diary(store, record, lost, clock=slow)

    def stored() -> list[str]:
        return [cell.text for cell in recent(store)[0].cells]

    diary.put(replace(_cell(0), text="x"))
    assert stored() == ["x", "", ""]
    diary.put(replace(_cell(1), text="y"))
    assert stored() == ["x", "", ""], "writing took one second: not due for twenty"
    times[0] += 19.0
    diary.put(replace(_cell(2), text="z"))
    assert stored() == ["x", "y", "z"]
    diary.put(replace(_cell(0), text="more"))
    diary.flush()
    assert stored() == ["more", "y", "z"]
    at_s = times[0]
    diary.flush()
    assert times[0] == at_s, "nothing new, nothing written"
    lost.set()
    with pytest.raises(InfrastructureError, match="took night-1 over"):
        diary.note("something")
    assert recent(store)[0].notes == ()


def _cell(number: int) -> CellRecord:
    return CellRecord(f"k{number}", "pi", "net", "onnxruntime fp32 ×1", f"s{number}")


def test_an_attempt_that_broke_off_hides_no_step_of_a_young_series(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of one night, measured twice tonight because the first process died: the first number is no past of
    the second. And a night that is given up before its A/B leaves the change to the next one."""
    world = World(store, Cell(model="twice"), Cell(model="left"))
    world.night()
    for cell in world.cells:
        cell.artifact, cell.old_ns = "a2", 5e6
        world.levels[cell.series] *= 1.1
    world.settings = replace(world.settings, trigger_z=10.0)
    asked = len(world.bench.asked)
    with monkeypatch.context() as patch:
        patch.setattr(world.bench, "confirm", _killed)
        with pytest.raises(SystemError):
            world.night(quiet=False)
    (broken, *_) = recent(store)
    again = replace(store.result(broken.cells[0].job_ids[-1]), job_id="again")
    store.add_result(again)
    nights.put(store, night_of(replace(broken, cells=(_attempts(broken.cells[0], "again"),))))
    world.bench.now_s -= DAY_S - 60
    said: list[str] = []
    night = world.night(quiet=False, say=said.append)
    for past in ("1 night", "2 nights"):
        assert sum(f"changed after {past}, too few" in text for text in said) == 1
    outcomes = {cell.model: cell.outcome for cell in night.cells}
    assert (night.night_id, outcomes["twice"]) == (broken.night_id, "regression")
    assert outcomes["left"] == "regression", "measured in a night that lost sight of it"
    assert len(world.bench.asked) == asked + 2
    world.night(quiet=False)
    assert len(world.bench.asked) == asked + 2, "compared once"


def test_what_failed_for_want_of_a_store_or_device_is_measured_once_more(store: Store) -> None:
    """The store or the device was away for a moment: that says nothing of the model. Twice in one night it is
    a failure that says why."""
    names = {"a": "store.unreachable", "b": "store.locked", "c": "device.unreachable", "d": "job.x"}
    names["e"] = "link.lost"
    world = World(store, *(Cell(model=name, fails=code) for name, code in names.items()))
    plain, rounds = world.bench.measure, []

    def measure(*words: Any) -> bool:
        rounds.append(len(words[1]))
        if len(rounds) == 2:
            world.cells[0].fails, world.cells[2].fails = False, "lease.timeout"
        return plain(*words)

    def recover(one: Store) -> None:
        for lost in [each for each in one.results() if each.model == "e"]:
            one.add_result(replace(lost, status="ok", error_code="", latency=made.latency()), late=True)

    world.bench.measure = measure  # type: ignore[method-assign,assignment]
    night = world.night(recover=recover)
    assert rounds == [5, 3], "what its device had measured all the same is not measured again"
    assert [(cell.state, cell.error_code, cell.why) for cell in night.cells] == [
        ("measured", "", "never measured"),
        ("failed", "store.locked", "it broke: store.locked"),
        ("failed", "lease.timeout", "it broke: lease.timeout"),
        ("failed", "job.x", "it broke: job.x"),
        ("measured", "", "it broke: link.lost"),
    ]
    assert cell_row(night.cells[2])[-1] == "it broke: lease.timeout", "the last trouble, not the first"


def test_a_lease_that_could_not_be_given_back_holds_nobody_up(store: Store) -> None:
    """This process' own, of devices it does not drive any more; nobody else's, and not the night's."""
    holders = {
        "mine": holder_text("run 1"),
        "theirs": "ann@desk pid 1 run 2",
        alone.NAME: holder_text("nightly"),
    }
    for device, holder in holders.items():
        leases.take(store.engine, device, "job-1", holder)
    release_mine(store, ("mine", "theirs", "free"))
    held = [device for device in holders if leases.holder_of(store.engine, device)]
    assert held == ["theirs", alone.NAME]


def _attempts(cell: CellRecord, job_id: str) -> CellRecord:
    return replace(cell, job_ids=(*cell.job_ids, job_id))
