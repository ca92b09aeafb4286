"""Samples for quantisers reach the recipes that have a use for them, and no others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from farm.calibrations import Calibrations, of_wishes
from farm.errors import UsageError
from farm.plan import Request
from farm_agent import precisions
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
from tests.converters import quantisable as nets
from tests.converters.made import model_of
from tests.farm.test_plan import plan_of

SHAPES = {"x": (1, 3, 8, 8)}


@pytest.fixture
def net(tmp_path: Path) -> Path:
    return nets.classifier(tmp_path / "net.onnx")


def given(path: Path | None, random: int, folder: Path) -> Calibrations:
    return of_wishes(path, random, "", seed=3, cache_dir=folder)


def samples(path: Path, count: int = 5) -> Path:
    np.savez(path, x=np.random.default_rng(0).normal(size=(count, 3, 8, 8)).astype(np.float32))
    return path


def test_samples_go_where_ranges_are_learnt_and_serve_the_check_elsewhere(net: Path, tmp_path: Path) -> None:
    wishes = given(samples(tmp_path / "s.npz"), 0, tmp_path)
    model = inspect_model(net)
    made = {name: wishes.applied(Recipe("onnx", name, SHAPES), model) for name in precisions.NAMES}
    static = made["int8"].calibration
    assert static is not None
    assert (static.kind, static.count, static.text) == ("data", 5, "5 samples")
    assert all(made[name].calibration is None for name in precisions.NAMES if name != "int8")
    assert made["int8-weights"].inputs_sha256 == static.sha256
    assert made["fp32"].inputs_path is None
    assert made["fp16"].inputs_path is None


def test_random_samples_are_marked_and_check_nothing(net: Path, tmp_path: Path) -> None:
    wishes = given(None, 7, tmp_path)
    model = inspect_model(net)
    found = wishes.applied(Recipe("onnx", "int8", SHAPES), model)
    assert found.calibration is not None
    assert found.calibration.text == "7 random samples"
    assert found.sample_inputs == (None, "")
    assert wishes.applied(Recipe("onnx", "int4-weights", SHAPES), model).inputs_path is None


def test_nothing_is_drawn_that_was_not_asked_for(net: Path, tmp_path: Path) -> None:
    found = given(None, 0, tmp_path).applied(Recipe("onnx", "int8", SHAPES), inspect_model(net))
    assert found.calibration is None
    assert not (tmp_path / "calibrations").exists()


def test_the_same_samples_are_read_once_and_other_shapes_again(net: Path, tmp_path: Path) -> None:
    path = samples(tmp_path / "s.npz")
    wishes, model = given(path, 0, tmp_path), inspect_model(net)
    first = wishes.of(model, SHAPES)
    path.unlink()
    assert wishes.of(model, SHAPES) is first
    with pytest.raises(UsageError) as caught:
        wishes.of(model, {"x": (2, 3, 8, 8)})
    assert caught.value.code == "calib.missing"


def test_an_exclude_list_says_nothing_to_float32(net: Path, tmp_path: Path) -> None:
    wishes, model = given(None, 4, tmp_path), inspect_model(net)
    recipe = Recipe("onnx", "fp32", SHAPES, exclude=("last",))
    assert wishes.applied(recipe, model).exclude == ()
    assert wishes.applied(replace(recipe, precision="int8"), model).exclude == ("last",)


def test_samples_and_random_ones_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        given(tmp_path / "s.npz", 3, tmp_path)
    assert caught.value.code == "calib.both"


def test_samples_that_cannot_be_read_fail_the_cells_that_need_them(net: Path, tmp_path: Path) -> None:
    """As a planned cell's own error: the others of the plan run."""
    from farm.benchmark import plan_for
    from farm.config import load_config

    request = Request(
        models=(net,),
        runtimes=("onnxruntime",),
        precisions=("fp32", "int8"),
        calib=tmp_path / "nowhere.npz",
    )
    plan = plan_for(request, load_config({}))
    assert [cell.error.code if cell.error else "" for cell in plan.cells] == ["", "calib.missing"]
    assert plan_of(request).cells  # without a reader of samples, planning still works


def test_random_samples_are_refused_before_they_take_all_memory(tmp_path: Path) -> None:
    model = model_of(("x", (1, 3, 4096, 4096)))
    with pytest.raises(UsageError) as caught:
        given(None, 4096, tmp_path).of(model, {"x": (1, 3, 4096, 4096)})
    assert caught.value.code == "calib.too-large"
