"""Whether accuracy is counted on samples that the quantiser saw: by their values, not by the files' names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from farm import provenance
from farm.datasets import Ready
from farm.sample import sample_data, sample_model
from farm_agent.wire import ArtifactSpec
from farm_converters import calibration, dataset
from farm_converters.evaluate import Reference
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Artifact, Recipe

SHAPE = (1, 1, 8, 8)


def images(folder: Path, name: str, first: int, last: int, array: str = "image") -> Path:
    """Some of the bundled digits, in a file of their own."""
    with np.load(sample_data()) as data:
        np.savez(folder / name, **{array: data["image"][first:last]})
    return folder / name


def told(folder: Path, data: Path, recipe: Recipe, text: str = "20 samples") -> str:
    packed = dataset.pack(data, inspect_model(sample_model()), {"image": SHAPE}, folder=folder / "packed")
    spec = ArtifactSpec("onnx", "int8", (), (), ())
    made = Artifact("", spec, (), None, None, None, {}, 0.0, cached=False, calibration=text)
    ready = Ready(packed.dataset, packed.path, "", packed, Reference(packed.path, packed.count, "", 0.0))
    return provenance.calibration(recipe, ready, made)


def calibrated(folder: Path, path: Path, shape: tuple[int, ...] = SHAPE) -> Recipe:
    model = inspect_model(sample_model())
    used = calibration.from_data(path, model, {"image": shape}, folder=folder / "calibration")
    return Recipe("onnx", "int8", {"image": shape}, calibration=used)


@pytest.mark.parametrize(
    ("first", "last", "said"),
    [(0, 20, ", 20 of them in the set"), (15, 35, ", 5 of them in the set"), (20, 40, "")],
)
def test_samples_are_known_again_in_another_file(tmp_path: Path, first: int, last: int, said: str) -> None:
    recipe = calibrated(tmp_path, images(tmp_path, "calib.npz", first, last, array="x"))
    found = told(tmp_path, images(tmp_path, "set.npz", 0, 20), recipe)
    assert found == "20 samples" + (f"{said} that accuracy is counted on" if said else "")


def test_a_model_s_own_batch_hides_nothing(tmp_path: Path) -> None:
    path = images(tmp_path, "set.npz", 0, 20)
    recipe = calibrated(tmp_path, path, (4, 1, 8, 8))
    assert recipe.calibration is not None
    assert recipe.calibration.text == "5 samples"
    assert told(tmp_path, path, recipe, text="5 samples").startswith("5 samples, 5 of them")


def test_nothing_is_said_where_nothing_was_calibrated(tmp_path: Path) -> None:
    path = images(tmp_path, "set.npz", 0, 20)
    assert told(tmp_path, path, calibrated(tmp_path, path), text="") == ""
    assert told(tmp_path, path, Recipe("onnx", "int8"), text="7 random samples") == "7 random samples"
