"""Whole nights over a real store, on a bench of made numbers: what is found, told and taken up again."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from farm.errors import InfrastructureError
from farm.nightly import weekly
from farm.nightly.diary import recent
from farm.nightly.night import run_night
from farm.nightly.settings import NightlySettings
from farm_results.comparison import SAME, SLOWER, Comparison, Effect, Side
from farm_results.finding import INVALID
from farm_results.history import baselines, comparisons, findings
from farm_results.store import Store, open_store
from tests.farm.nightly.fake_bench import DAY_S, Cell, FakeBench
from tests.farm.nightly.world import SETTINGS, World


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    opened = open_store(tmp_path / "store")
    yield opened
    opened.close()


def test_a_step_is_a_regression_told_once_until_the_baseline_moves_or_it_is_gone(store: Store) -> None:
    """The whole life of a step: baseline by the first night alone, quiet nights, found the night it comes,
    not told again while it lasts, closed when the old speed is back, and told again when it returns."""
    cell = Cell()
    world = World(store, cell)
    first = world.night()
    assert [each.outcome for each in first.cells] == ["new"]
    (base,) = baselines.history(store, cell.series)
    assert (base.event, base.actor) == ("initial", "farm nightly")
    quiet = world.nights(11)
    assert quiet.state == "done"
    assert not world.found()
    assert not world.told
    assert quiet.cells[0].outcome in ("steady", "unconfirmed")

    world.levels[cell.series] *= 1.03
    cell.artifact, cell.old_ns = "a2", 5e6
    stepped = world.night(quiet=False)
    (step,) = world.found()
    assert (step.word, step.state, step.night_id) == ("regression", "new", stepped.night_id)
    assert step.effect == pytest.approx(0.03, abs=0.001)
    assert step.low is not None
    assert step.low > 0.01
    assert step.reference_job_id == base.job_id
    assert {"model", "artifact"} <= {cause.kind for cause in step.causes}
    assert [title for title, _, _ in world.told] == ["farm: 1 regression"]
    assert stepped.cells[0].finding_id == step.finding_id
    assert step.trigger_z
    assert step.trigger_z > 1.5

    world.nights(6)
    assert len(world.found()) == 1
    assert len(world.told) == 1
    assert len(baselines.history(store, cell.series)) == 1, "no night moves a baseline"

    world.levels[cell.series] = 5e6
    cell.artifact, cell.old_ns = "a3", None
    world.night()
    (closed,) = world.found()
    assert closed.state == "acknowledged"
    assert closed.note.startswith("back at the baseline")
    asked = len(world.bench.asked)
    world.nights(4)
    assert len(world.bench.asked) - asked <= 2, "the known step back asks for no A/B every night"

    world.levels[cell.series] = 5e6 * 1.03
    cell.artifact, cell.old_ns = "a2", 5e6
    world.night(quiet=False)
    assert [each.word for each in world.found()] == ["regression", "regression"]


def test_what_moves_with_its_reference_is_the_environment(store: Store) -> None:
    """The same artifact is slower tonight, and so is the reference: never a regression."""
    cell = Cell()
    world = World(store, cell)
    world.nights(8)
    cell.runtime_version = "1.21"
    world.levels[cell.series] *= 1.08
    world.night(quiet=False)
    (finding,) = world.found()
    assert finding.word == "environment changed"
    assert finding.effect == pytest.approx(0.08, abs=0.01)
    assert "onnxruntime 1.20 → 1.21" in [cause.text for cause in finding.causes]
    world.nights(5)
    assert len(world.found()) == 1, "it is the level now"


def test_new_surroundings_open_a_segment_and_hide_no_regression(store: Store) -> None:
    """A new kernel in the very night of a slower model: the A/B sees the model. A new kernel that slows one
    down is the environment, and one that does not is nothing to tell."""
    same, slower, moved = Cell(model="same"), Cell(model="slower"), Cell(model="moved")
    world = World(store, same, slower, moved)
    world.nights(8)
    for cell in world.cells:
        cell.kernel = "6.8"
    world.levels[slower.series] *= 1.05
    slower.artifact, slower.old_ns = "b", 5e6
    world.levels[moved.series] *= 1.08
    world.night(quiet=False)
    found = {finding.model: finding for finding in world.found()}
    words = {model: finding.word for model, finding in found.items()}
    assert words == {"slower": "regression", "moved": "environment changed"}
    kinds = {cause.kind for cause in found["slower"].causes}
    assert "surroundings" not in kinds, "both arms ran in them"
    assert found["moved"].causes[0].text == "kernel 6.1 → 6.8"


def test_the_canary_tells_the_device_from_the_model(store: Store) -> None:
    """A device that is slower: its canary says so, and so do the causes of what else moved there."""
    here, there = Cell(model="digits", canary=True), Cell()
    elsewhere = Cell(model="digits", device="board", canary=True)
    world = World(store, here, there, elsewhere)
    world.nights(8)
    world.levels[here.series] *= 1.1
    world.levels[there.series] *= 1.1
    world.night(quiet=False)
    by_model = {finding.model: finding for finding in world.found()}
    assert {model: finding.word for model, finding in by_model.items()} == {
        "digits": "device changed",
        "net": "environment changed",
    }
    assert "the device changed" in by_model["net"].causes[-1].text
    assert "device changed" in world.told[-1][0]


def test_an_a_b_that_cannot_be_taken_is_told_only_where_much_moved(store: Store) -> None:
    """A reference that is not kept: a large step is inconclusive, a small one waits."""
    small, large = Cell(model="small"), Cell(model="large")
    world = World(store, small, large)
    world.nights(8)
    world.bench.refuse = "ab.not-kept"
    world.levels[large.series] *= 1.2
    night = world.night(quiet=False)
    (finding,) = world.found()
    assert (finding.model, finding.word) == ("large", "inconclusive")
    assert "[ab.not-kept]; if tonight's is right: farm baseline set night-" in finding.message
    assert {cell.model: cell.outcome for cell in night.cells}["large"] == "inconclusive"
    world.night(quiet=False)
    assert len(world.found()) == 1


def test_a_step_that_a_person_calls_invalid_is_looked_at_again(store: Store) -> None:
    """A finding that was invalid does not level the history: the step stands out on."""
    cell = Cell()
    world = World(store, cell)
    world.nights(8)
    world.levels[cell.series] *= 1.06
    cell.artifact, cell.old_ns = "a2", 5e6
    world.night(quiet=False)
    findings.triage(store, world.found()[0].finding_id, INVALID, "somebody@desk")
    asked = len(world.bench.asked)
    world.night(quiet=False)
    assert len(world.bench.asked) == asked + 1
    assert len(world.found()) == 1, "and it is not told twice all the same"


def test_silent_series_are_told_once_for_each_silence(store: Store) -> None:
    """A device that stopped answering: told after its usual gaps, once; then again only after it spoke."""
    gone, there = Cell(model="gone", device="board"), Cell()
    world = World(store, gone, there)
    world.nights(6)
    gone.problem = "board does not answer"
    night = world.nights(5)
    assert [each.word for each in world.found()] == ["silent"]
    (finding,) = world.found()
    assert "board does not answer" in finding.causes[0].text
    assert {cell.model: cell.state for cell in night.cells} == {"gone": "failed", "net": "measured"}
    assert sum("silent" in title for title, _, _ in world.told) == 1
    gone.problem = ""
    world.nights(2)
    gone.fails = True
    world.nights(10)
    assert [each.word for each in world.found()] == ["silent", "silent"]


def test_once_a_week_each_device_compares_an_artifact_with_itself(store: Store) -> None:
    """By turns over the device's series; the farm's own false alarms come from these."""
    cells = Cell(model="one"), Cell(model="two"), Cell(model="one", device="board")
    world = World(store, *cells, settings=NightlySettings())
    world.bench.now_s += 4000 * DAY_S  # a clock that was ahead for one night
    world.nights(1)
    assert weekly.due(store, "pi", now_unix_s=world.bench.now_s + 7 * DAY_S, origin="")
    assert not weekly.due(store, "pi", now_unix_s=world.bench.now_s, origin="")
    world.bench.now_s -= 4001 * DAY_S
    assert weekly.due(store, "pi", now_unix_s=world.bench.now_s, origin="")
    world.nights(15)
    for device, models in {"pi": {"one", "two"}, "board": {"one"}}.items():
        own = [pair[1] for pair in world.bench.asked if pair[0] == device and pair[1] == pair[2]]
        assert {store.result(job).model for job in own} == models
        every = sorted(each.created_unix_s for each in comparisons.recent(store, kind="aa", device=device))
        taken = every[:-1]  # the last one is from the future
        assert all(later - sooner <= 8 * DAY_S for sooner, later in pairwise(taken))
    assert not world.found()


def test_a_killed_night_goes_on_where_it_was(store_address: str) -> None:
    """Nothing is measured twice, nothing is left out, and it stays one night."""
    store = open_store(store_address)
    cells = [Cell(model=f"m{number}") for number in range(5)]
    world = World(store, *cells)
    world.bench.die_after = 2
    with pytest.raises(SystemError):
        world.night()
    (broken,) = recent(store)
    assert broken.state == "running"
    world.bench.die_after = None
    world.bench.now_s -= DAY_S - 60
    night = world.night()
    assert (night.night_id, night.state, night.attempts) == (broken.night_id, "done", 2)
    assert [cell.state for cell in night.cells] == ["measured"] * 5
    assert store.count() == 5
    assert len(recent(store)) == 1
    assert sum(len(baselines.history(store, cell.series)) for cell in cells) == 5
    store.close()


def test_an_interrupted_night_goes_on_unless_it_is_old_or_given_up(store: Store) -> None:
    """Ctrl-C keeps what was measured; a night of yesterday is not gone on with."""
    world = World(store, Cell(model="a"), Cell(model="b"))
    world.bench.interrupt_after = 1
    assert world.night().state == "interrupted"
    world.bench.interrupt_after = None
    world.bench.now_s -= DAY_S - 60
    fresh = world.night(fresh=True)
    assert fresh.attempts == 1
    assert fresh.state == "done"
    world.bench.interrupt_after = 0
    broken = world.night()
    world.bench.interrupt_after = None
    later = world.night()
    assert later.night_id != broken.night_id
    assert later.state == "done"
    assert {night.state for night in recent(store)} == {"done", "interrupted"}


def test_two_nights_never_run_at_once_on_one_store(store_address: str) -> None:
    """The second one says who holds the first."""
    store = open_store(store_address)
    world = World(store, Cell())
    problems: list[InfrastructureError] = []

    def second(_text: str) -> None:
        if problems:
            return
        try:
            other = open_store(store_address)
            problems.append(InfrastructureError("none", code="none"))
            run_night(other, SETTINGS, FakeBench(other, world.cells), lambda _text: None)
        except InfrastructureError as error:
            problems[0] = error

    run_night(store, SETTINGS, world.bench, second)
    assert problems[0].code == "nightly.running"
    assert "pid" in problems[0].message
    store.close()


def test_time_that_is_over_leaves_small_things_for_tomorrow_and_tells_large_ones(store: Store) -> None:
    """With no time left after the first A/B, a large step is still told, as inconclusive."""
    cells = [Cell(model=f"m{number}") for number in range(3)]
    world = World(store, *cells, settings=NightlySettings(aa="never", budget_s=300.0))
    world.nights(8)
    for cell, factor in zip(cells, (1.5, 1.2, 1.004), strict=True):
        world.levels[cell.series] *= factor
        cell.artifact, cell.old_ns = "new", 5e6
    plain = world.bench.confirm

    def slow(*words: object, **options: object) -> object:
        world.bench.now_s += 600.0
        return plain(*words, **options)  # type: ignore[arg-type]

    world.bench.confirm = slow  # type: ignore[method-assign,assignment]
    night = world.night(quiet=False)
    assert {cell.model: cell.outcome for cell in night.cells if cell.model != "m2"} == {
        "m0": "regression",
        "m1": "inconclusive",
    }
    texts = {finding.model: finding.message for finding in world.found()}
    assert "no time left" in texts["m1"]


def test_one_of_many_a_bs_has_to_be_surer_than_one_alone(store: Store) -> None:
    """Of 14 A/Bs with 8 pairs, one that says slower is not believed, and says why; alone or with more
    pairs it is. A night that breaks off before its last word says the same when it goes on."""
    cells = [Cell(model=f"m{number:02d}") for number in range(14)]
    world = World(store, *cells, settings=NightlySettings(aa="never", pairs=8))
    world.night()
    for cell in cells:
        cell.artifact = "a2"
        world.levels[cell.series] *= 1.006
    cells[3].old_ns = 5e6
    world.levels[cells[3].series] *= 1.05

    def broken(*words: object) -> bool:
        raise SystemError("killed")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(findings, "add", broken)
        with pytest.raises(SystemError):
            world.night(quiet=False)
    asked = len(world.bench.asked)
    world.bench.now_s -= DAY_S - 60
    night = world.night(quiet=False)
    assert len(world.bench.asked) == asked, "every A/B is taken once"
    assert night.attempts == 2
    assert len([cell for cell in night.cells if cell.comparison_id]) == 14
    (doubted,) = world.found()
    assert (doubted.model, doubted.word) == ("m03", "inconclusive")
    assert "one of 14 A/Bs tonight" in doubted.message
    assert "slower by +5" in doubted.message
    world.settings = NightlySettings(aa="never", pairs=20)
    world.night(quiet=False)
    assert [each.word for each in world.found()] == ["inconclusive", "regression"]


def test_a_device_that_cries_wolf_is_held_to_its_own_zone(store: Store) -> None:
    """Its A/As call themselves different: a small step there is inconclusive and says why, a large one is a
    regression with that beside it; another device is not touched."""
    here, there = Cell(), Cell(device="board")
    world = World(store, here, there)
    world.nights(8)
    for number in range(12):
        word, effect = (SLOWER, 0.03) if number < 3 else (SAME, 0.002)
        side = Side("one", "net", "", "a", "onnxruntime", "")
        interval = Effect(effect, effect - 0.004, effect + 0.004, 0.99, 0.01)
        one = Comparison(f"aa-{number}", number, "aa", "s", "pi", "", side, side, word, 20, interval)
        comparisons.add(store, one)
    for cell in (here, there):
        cell.artifact, cell.old_ns = "a2", 5e6
        world.levels[cell.series] *= 1.035
    world.night(quiet=False)
    words = {each.device: each for each in world.found()}
    assert {device: each.word for device, each in words.items()} == {
        "pi": "inconclusive",
        "board": "regression",
    }
    assert "calls itself different in 3 of 12 A/As: its zone is ±4." in words["pi"].message
    assert "trust" not in {cause.kind for cause in words["board"].causes}
    here.artifact = "a3"
    world.levels[here.series] *= 1.2
    world.night(quiet=False)
    (large,) = [each for each in world.found() if each.device == "pi" and each.word == "regression"]
    assert large.causes[0].kind == "trust"
    assert "this device calls itself different" in large.causes[0].text
