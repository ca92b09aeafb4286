"""The settings, which cells a night measures, and what a number that stands out means."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from farm.config import load_config
from farm.errors import UsageError
from farm.nightly.bench import Wanted
from farm.nightly.choose import Last, choose
from farm.nightly.content import changed
from farm.nightly.record import NightRecord
from farm.nightly.settings import Matrix, NightlySettings
from farm.nightly.tell import message_of
from farm.nightly.verdict import CanaryWord, Case, Judgement, Shift, judge
from farm_results.comparison import Comparison, Effect, Side
from farm_results.detect.trigger import Trigger
from farm_results.environment import Difference
from farm_results.finding import Cause, Finding

NOW_S = 1_700_000_000.0
HOUR_S = 3600.0
CONTENT = {"model file": "m", "conversion": "c", "kernel": "6.1"}


def test_the_table_is_read_with_matrices_that_inherit_its_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths count from the file's folder; a matrix changes what the table says for all."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farm.toml").write_text(
        """
        [nightly]
        models = ["models/a.onnx"]
        devices = ["tag:lab"]
        precisions = ["fp32", "int8"]
        budget = "90m"
        pairs = 12
        aa = "never"
        notify = ["regression"]
        gate = false
        [[nightly.matrix]]
        priority = 2
        [[nightly.matrix]]
        models = ["b.onnx"]
        scenarios = ["throughput"]
        batch = [1, 8]
        """
    )
    settings = load_config().nightly
    shared: Any = {"devices": ("tag:lab",), "precisions": ("fp32", "int8")}
    assert settings == NightlySettings(
        matrices=(
            Matrix(models=(tmp_path / "models/a.onnx",), priority=2, **shared),
            Matrix(models=(tmp_path / "b.onnx",), scenarios=("throughput",), batch=(1, 8), **shared),
        ),
        budget_s=5400.0,
        pairs=12,
        aa="never",
        notify=("regression",),
        gate=False,
    )


@pytest.mark.parametrize(
    ("table", "place"),
    [
        ("nightly = 3", "nightly"),
        ("[nightly]\nmodles = ['a']", "modles"),
        ("[nightly]\nmodels = 'a.onnx'", "models"),
        ("[nightly]\nmodels = []", "models"),
        ("[nightly]\nbudget = '2 weeks'", "budget"),
        ("[nightly]\nbudget = 7200", "budget"),
        ("[nightly]\npairs = 3", "pairs"),
        ("[nightly]\npairs = 21", "pairs"),
        ("[nightly]\npairs = true", "pairs"),
        ("[nightly]\nthreads = [0]", "threads"),
        ("[nightly]\nscenarios = ['latancy']", "scenarios"),
        ("[nightly]\nruntimes = ['tflite']", "runtimes"),
        ("[nightly]\nprecisions = ['fp8']", "precisions"),
        ("[nightly]\naa = 'hourly'", "aa"),
        ("[nightly]\nnotify = ['slower']", "notify"),
        ("[nightly]\ntrigger = 0", "trigger"),
        ("[nightly]\ngate = 'no'", "gate"),
        ("[nightly]\nmatrix = 'a'", "matrix"),
        ("[[nightly.matrix]]\nbudget = '1h'", "budget"),
    ],
)
def test_what_the_table_cannot_mean_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, table: str, place: str
) -> None:
    """Every wrong value names its place and the file."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "farm.toml").write_text(table + "\n")
    with pytest.raises(UsageError, match=place) as caught:
        load_config()
    assert caught.value.code in ("config.type", "config.unknown-key")
    assert str(tmp_path / "farm.toml") in caught.value.message


def _wanted(key: str, **changes: Any) -> Wanted:
    values: dict[str, Any] = {"device": "pi", "model": key, "what": "ort", "series": key, "estimate_s": 600.0}
    return Wanted(key=key, **{**values, "content": CONTENT, **changes})


def _measured(cells: Mapping[str, str]) -> list[str]:
    return [key for key, state in cells.items() if state == "waiting"]


def test_changed_cells_come_first_and_unchanged_ones_take_turns() -> None:
    """Canary, never measured, changed, then by age times two to the priority, as far as the budget goes."""
    wanted = [
        _wanted("old"),
        _wanted("older"),
        _wanted("fresh"),
        _wanted("urgent", priority=3),
        _wanted("changed", content={**CONTENT, "kernel": "6.8"}),
        _wanted("new"),
        _wanted("canary", canary=True, estimate_s=60.0),
        _wanted("lost", problem="it does not answer", problem_code="device.unreachable"),
        _wanted("absent", problem="no such runtime", problem_code="skipped"),
    ]
    ages = {"old": 30, "older": 60, "fresh": 1, "urgent": 10, "changed": 1, "canary": 1}
    last = {key: Last(NOW_S - hours * HOUR_S, CONTENT) for key, hours in ages.items()}
    cells = choose(wanted, last, budget_s=3600.0 / 0.75, now_unix_s=NOW_S)
    states = {cell.key: cell.state for cell in cells}
    assert _measured(states) == ["canary", "new", "changed", "urgent", "older", "old"]
    assert states["fresh"] == "skipped"
    assert states["lost"] == "failed"
    assert states["absent"] == "skipped"
    why = {cell.key: cell.why for cell in cells}
    assert why["changed"] == "changed: kernel 6.1 → 6.8"
    assert why["fresh"].startswith("no time left in the budget")


def test_every_cell_has_its_turn_whatever_the_budget() -> None:
    """Twelve cells, room for two a night: each is measured within six nights; one too long for any night
    is not left out for ever."""
    wanted = [_wanted(f"m{number:02d}") for number in range(11)] + [_wanted("long", estimate_s=9e9)]
    last = {each.key: Last(NOW_S - HOUR_S, CONTENT) for each in wanted}
    seen: set[str] = set()
    for night in range(8):
        now_s = NOW_S + night * 24 * HOUR_S
        cells = choose(wanted, last, budget_s=1200.0 / 0.75, now_unix_s=now_s)
        taken = [cell.key for cell in cells if cell.state == "waiting"]
        last |= {key: Last(now_s, CONTENT) for key in taken}
        seen |= set(taken)
    assert seen == {each.key for each in wanted}


def test_a_cell_measured_by_a_clock_that_was_ahead_waits_no_years() -> None:
    """It is as old as a week: behind what waited longer, before what did not."""
    ages = {"ahead": -4 * 365 * 24, "old": 20 * 24, "fresh": 24}
    last = {key: Last(NOW_S - hours * HOUR_S, CONTENT) for key, hours in ages.items()}
    cells = choose([_wanted(key) for key in ages], last, budget_s=9e9, now_unix_s=NOW_S)
    assert [cell.key for cell in cells] == ["old", "ahead", "fresh"]
    assert "a clock that was ahead" in cells[1].why


def test_the_last_time_decides_how_long_a_cell_takes_and_devices_have_budgets_of_their_own() -> None:
    """What took 20 minutes takes 20 minutes; what another device spent does not count."""
    wanted = [_wanted("a"), _wanted("b"), _wanted("c", device="board")]
    last = {key: Last(NOW_S - HOUR_S, CONTENT, took_s=1200.0) for key in "abc"}
    cells = choose(wanted, last, budget_s=1600.0 / 0.75, now_unix_s=NOW_S, spent_s={"board": 500.0})
    assert {cell.key: cell.state for cell in cells} == {"a": "waiting", "b": "skipped", "c": "waiting"}


def test_content_says_what_changed_only_where_both_sides_know() -> None:
    """An unknown past is no change; a hash is named, not shown."""
    assert changed({}, CONTENT) == ()
    assert changed(CONTENT, {**CONTENT, "conversion": "d", "ort": "1.2"}) == (
        "conversion",
        "ort unknown → 1.2",
    )


def _case(word: str, z: float = 4.0, **changes: Any) -> Case:
    kind, effect = changes.pop("kind", "ab"), Effect(0.05, 0.04, 0.06, 0.99, 0.01)
    old = Side("x", "net", "m", "a", "onnxruntime", "1.2", medians_ns=(1.0,))
    new = replace(old, artifact_sha256="a" if kind == "aa" else "b")
    comparison = Comparison("c", 0.0, kind, "s", "pi", "r", old, new, word, 20, effect)
    known = Trigger(fired=True, z=z, centre=1.0, sigma=0.01, count=30, reason="5 % above")
    return Case(trigger=known, change=0.05, comparison=comparison, **changes)


AROUND = Difference("surroundings", "kernel", "6.1", "6.8")
MADE = Difference("artifact", "artifact", "a", "b")
FAR, NEAR = Shift(0.06, 4.0), Shift(0.004, 0.4)


@pytest.mark.parametrize(
    ("case", "word"),
    [
        (_case("slower"), "regression"),
        (_case("slower", reference=FAR, differences=(AROUND,)), "regression"),
        (_case("faster"), "improvement"),
        (_case("slower", kind="aa"), "inconclusive"),
        (_case("slower", kind="aa", z=2.0), ""),
        (_case("slower", doubt="one of a hundred"), "inconclusive"),
        (_case("inconclusive", z=2.0), "inconclusive"),
        (_case("inconclusive", z=2.0, kind="aa"), ""),
        (_case("inconclusive", z=4.0, kind="aa"), "inconclusive"),
        (_case("same", reference=NEAR), ""),
        (_case("same", reference=FAR), ""),
        (_case("same", reference=FAR, last_z=2.0), "environment changed"),
        (_case("same", reference=FAR, last_z=-2.0), ""),
        (_case("same", reference=FAR, differences=(AROUND,)), "environment changed"),
        (_case("same", reference=Shift(0.2, 9.0)), "environment changed"),
        (_case("same", reference=Shift(0.008, 9.0)), ""),
        (_case("same", reference=FAR, canary=CanaryWord(FAR)), "environment changed"),
        (_case("same", reference=FAR, canary=CanaryWord(Shift(-0.06, -4.0))), ""),
        (_case("same", reference=Shift(0.2, 9.0), is_canary=True), "device changed"),
        (_case("same", reference=None, differences=(AROUND,)), "environment changed"),
        (_case("same", reference=None), ""),
        (Case(_case("same", z=2.0).trigger, 0.05, trouble="busy"), ""),
        (Case(_case("same", z=4.0).trigger, 0.05, trouble="busy"), "inconclusive"),
    ],
)
def test_what_stands_out_means_one_of_few_things(case: Case, word: str) -> None:
    """Only an A/B calls anything slower; what both sides share is never held against the model."""
    assert judge(case).word == word


def test_suspects_are_what_the_a_b_leaves() -> None:
    """Both sides ran tonight, in one runtime and kernel: a regression's suspects are the artifact's own;
    where the surroundings moved, they come first."""
    differences = (AROUND, Difference("toolchain", "onnxruntime", "1.1", "1.2"), MADE)
    layers = (Cause("layer", "conv1: 10.0 → 12.0 µs"),)
    canary = CanaryWord(NEAR)
    slower = judge(_case("slower", differences=differences, layers=layers, canary=canary))
    assert [cause.kind for cause in slower.causes] == ["layer", "artifact", "canary"]
    assert "not the device" in slower.causes[-1].text
    around: Judgement = judge(_case("same", reference=FAR, differences=differences))
    assert [cause.kind for cause in around.causes] == ["surroundings", "toolchain", "artifact"]


def test_a_message_has_the_worst_three_and_only_what_was_asked_for() -> None:
    """Regressions first, the largest first; a simulated night says so."""

    def finding(number: int, word: str, effect: float | None = None) -> Finding:
        return Finding(str(number), "n", "s", "pi", "net", 0.0, word, effect=effect, message=f"by {effect}")

    night = NightRecord("n", 0.0, origin="simulated")
    found = [
        finding(1, "silent"),
        finding(2, "improvement", -0.5),
        finding(3, "regression", 0.02),
        finding(4, "regression", 0.2),
        finding(5, "device changed", 0.1),
    ]
    title, body, level = message_of(night, found, ("regression", "silent", "device changed")) or ("", "", "")
    assert title == "[SIMULATED] farm: 2 regressions, 1 device changed, 1 silent"
    assert body.splitlines()[0].startswith("REGRESSION net on pi: by 0.2")
    assert "and 1 more" in body
    assert "improvement" not in body.lower()
    assert level == "failure"
    assert message_of(night, found[:1], ("regression",)) is None
