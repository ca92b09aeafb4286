"""Which node suffers from int8: found, kept, repaired; in real ONNX Runtime."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from farm_agent.errors import FarmError
from farm_converters import calibration, sandbox, sensitivity, sensitivity_onnx
from farm_converters.convert import convert
from farm_converters.model import Model
from farm_converters.recipe import Recipe
from farm_converters.sensitivity import Sensitivity, Until, measure, read_scores
from farm_converters.sensitivity_onnx import compared
from tests.converters import made
from tests.converters import quantisable as nets


def uneven(path: Path) -> Path:
    """Between two convolutions one channel is a thousand times the others, of which 8 bits leave nothing."""
    wide = np.random.default_rng(1).normal(0, 0.2, (8, 8, 1, 1)).astype(np.float32)
    factors = np.ones(8, np.float32)
    factors[0] = 1000
    nodes = [
        helper.make_node("Conv", ["x", "a"], ["one"], "calm"),
        helper.make_node("Relu", ["one"], ["one_up"], "relu"),
        helper.make_node("Mul", ["one_up", "big"], ["two"], "stretch"),
        helper.make_node("Relu", ["two"], ["two_up"], "relu2"),  # nothing merges the two factors
        helper.make_node("Mul", ["two_up", "small"], ["three"], "shrink"),
        helper.make_node("Conv", ["three", "b"], ["y"], "calm2"),
    ]
    constants = [
        nets.constant("a", 8, 3, 1, 1, seed=3),
        numpy_helper.from_array(factors.reshape(1, 8, 1, 1), "big"),
        numpy_helper.from_array((1 / factors).reshape(1, 8, 1, 1), "small"),
        numpy_helper.from_array(wide, "b"),
    ]
    return made.save(
        path, nodes, [made.value("x", [1, 3, 8, 8])], [made.value("y", [1, 8, 8, 8])], constants, opset=13
    )


def recipe_of(model: Model, folder: Path) -> Recipe:
    shapes = {"x": (1, 3, 8, 8)}
    found = calibration.random(model, shapes, count=8, seed=1, folder=folder)
    return Recipe("onnx", "int8", shapes, calibration=found)


def measured(
    model: Model, recipe: Recipe, store: Path, until: Until | None = None, told: list[int] | None = None
) -> Sensitivity:
    return measure(
        model,
        recipe,
        store,
        until=until,
        report=made.quiet,
        progress=lambda done, _total: told.append(done) if told is not None else None,
        limits=sandbox.Limits(),
    )


def test_the_node_that_suffers_is_first_and_excluding_it_repairs_the_model(tmp_path: Path) -> None:
    model = made.inspected(uneven(tmp_path / "net.onnx"))
    recipe = recipe_of(model, tmp_path / "samples")
    found = measured(model, recipe, tmp_path / "cache", Until("snr", 30.0))
    assert {entry.node for entry in found.nodes} == {"calm", "stretch", "shrink", "calm2"}
    assert found.nodes[0].node in ("stretch", "shrink")
    assert found.nodes[0].score.snr_db < 15 < found.nodes[-1].score.snr_db
    assert found.everything.snr_db < 15
    assert found.repair is not None
    assert found.repair.reached
    assert set(found.repair.exclude) == {"stretch", "shrink"}
    assert found.repair.score.snr_db >= 30

    spoilt = convert(model, recipe, tmp_path / "cache", report=made.quiet)
    mended = convert(
        model, replace(recipe, exclude=found.repair.exclude), tmp_path / "cache", report=made.quiet
    )
    assert spoilt.check is not None
    assert mended.check is not None
    assert spoilt.key != mended.key
    assert mended.check.max_abs_error < spoilt.check.max_abs_error


def test_what_was_measured_is_not_measured_again(tmp_path: Path) -> None:
    """After an interrupt the finished nodes are in the cache; a line that was cut off does not count."""
    model = made.inspected(uneven(tmp_path / "net.onnx"))
    recipe, store = recipe_of(model, tmp_path / "samples"), tmp_path / "cache"
    first = measured(model, recipe, store)
    kept = next((store / "sensitivity").glob("*.jsonl"))
    lines = kept.read_text().splitlines()
    assert len(lines) == 4
    next((store / "sensitivity").glob("*.json")).unlink()
    marked = {**json.loads(lines[0]), "snr_db": 77.0}
    kept.write_text(json.dumps(marked) + "\n" + lines[1] + "\n" + lines[2][:20])
    assert len(read_scores(kept)) == 2

    again = measured(model, recipe, store)

    assert 77.0 in {entry.score.snr_db for entry in again.nodes}
    assert {entry.node for entry in again.nodes} == {entry.node for entry in first.nodes}
    assert len(read_scores(kept)) == 4


def test_a_target_that_no_list_reaches_is_told(tmp_path: Path) -> None:
    model = made.inspected(uneven(tmp_path / "net.onnx"))
    recipe = replace(recipe_of(model, tmp_path / "samples"), exclude=("op:Mul",))
    found = measured(model, recipe, tmp_path / "cache", Until("snr", 199.0))
    assert found.repair is not None
    assert not found.repair.reached
    assert {entry.node for entry in found.nodes} == {"calm", "calm2"}


@pytest.mark.parametrize(("name", "code"), [("two_inputs", "calib.missing"), ("embedding", "calib.missing")])
def test_without_samples_nothing_is_measured(tmp_path: Path, name: str, code: str) -> None:
    model = made.inspected(getattr(made, name)(tmp_path / "net.onnx"))
    with pytest.raises(FarmError) as caught:
        measured(model, Recipe("onnx", "int8", {}), tmp_path / "cache")
    assert caught.value.code == code


def test_a_model_without_anything_to_quantise_is_refused(tmp_path: Path) -> None:
    node = helper.make_node("Neg", ["x"], ["y"], "minus")
    path = made.save(
        tmp_path / "net.onnx", [node], [made.value("x", [1, 3, 8, 8])], [made.value("y", [1, 3, 8, 8])]
    )
    model = made.inspected(path)
    with pytest.raises(FarmError) as caught:
        measured(model, recipe_of(model, tmp_path / "samples"), tmp_path / "cache")
    assert caught.value.code == "convert.nothing-to-quantise"


def test_signal_to_noise_is_that_of_the_worst_output() -> None:
    want = [[np.ones(100), np.ones(100)]]
    score = compared(want, [[np.ones(100), np.full(100, 1.1)]])
    assert score == {"snr_db": pytest.approx(20.0, abs=0.01), "cosine": 1.0}
    assert compared(want, want) == {"snr_db": 200.0, "cosine": 1.0}
    assert compared(want, [[np.ones(100), np.full(100, np.nan)]])["snr_db"] == -200.0


def test_the_net_of_these_tests_is_valid(tmp_path: Path) -> None:
    onnx.checker.check_model(str(uneven(tmp_path / "net.onnx")))


def test_targets_that_differ_in_the_seventh_digit_have_answers_of_their_own(tmp_path: Path) -> None:
    model = made.inspected(uneven(tmp_path / "net.onnx"))
    recipe, store = recipe_of(model, tmp_path / "samples"), tmp_path / "cache"
    measured(model, recipe, store, Until("snr", 29.9999999))
    measured(model, recipe, store, Until("snr", 30.0))
    assert len(list((store / "sensitivity").glob("*.snr-*.json"))) == 2


def test_a_model_that_the_simplifier_trips_over_is_measured_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def trip(_model: object) -> None:
        raise IndexError("list index out of range")

    model = made.inspected(uneven(tmp_path / "net.onnx"))
    recipe = recipe_of(model, tmp_path / "samples")
    assert recipe.calibration is not None
    monkeypatch.setattr(sensitivity_onnx, "slim", trip)
    request: dict[str, Any] = {
        "model": str(model.path),
        "inputs": [{"name": "x"}],
        "calibration": str(recipe.calibration.path),
        "exclude": [],
        "options": {},
        "known": [],
        "until": None,
    }
    assert len(sensitivity_onnx.measure(request, tmp_path)["nodes"]) == 4


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_disk_that_is_full_while_scores_are_kept_is_told_by_the_caller_alone(tmp_path: Path) -> None:
    """The thread that copies them ends without a word; what it met, the block's end meets again."""
    source = tmp_path / "progress.jsonl"
    source.write_text("{}\n")
    kept = sensitivity._kept(source, tmp_path / "gone" / "kept.jsonl", lambda _done, _total: None)
    with pytest.raises(OSError, match="gone"), kept as thread:
        thread.join(60)
    assert not thread.is_alive()
