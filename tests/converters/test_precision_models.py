"""What 8 and 4 bits cost on trained networks with labelled data, in ONNX Runtime."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import precisions
from farm_converters import calibration
from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
from farm_converters.shapes import resolve_shapes
from tests.converters import made
from tests.support import models_folder

pytestmark = [pytest.mark.models, pytest.mark.timeout(600)]

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Trained:
    """A network of the collection, samples as it takes them, their classes, and the manifest's accuracy."""

    model: str
    x: Array
    y: Array
    accuracy: float


def keywords() -> Trained:
    folder = models_folder() / "data" / "kws"
    with np.load(folder / "kws_mfcc_dev.npz", allow_pickle=False) as data:
        q, scale, y = data["q"], data["scale"], data["y"]
    return Trained("mlperf_tiny_kws", (q.astype(np.float32) * scale)[..., None], y, 0.898)


def digits() -> Trained:
    with np.load(models_folder() / "data" / "mnist" / "mnist_test_dev.npz", allow_pickle=False) as data:
        x, y = data["x"], data["y"]
    return Trained("mnist8_cntk", x[:, None].astype(np.float32), y, 0.99)


def files() -> Trained:
    with np.load(models_folder() / "data" / "magika" / "magika_dev.npz", allow_pickle=False) as data:
        return Trained("magika_v3_3", data["x_v3_3"], data["y_v3_3"], 0.0)


def accuracy(path: Path, data: Trained) -> float:
    import onnxruntime as ort

    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    hits = [
        np.asarray(session.run(None, {name: sample[None]})[0]).argmax() == label
        for sample, label in zip(data.x, data.y, strict=True)
    ]
    return float(np.mean(hits))


@pytest.mark.parametrize("data", [keywords, digits, files], ids=lambda function: function.__name__)
def test_reduced_precisions_keep_the_accuracy_and_are_proved(data: Any, tmp_path: Path) -> None:
    """int8 within two points of float32, on samples that calibration has not seen."""
    trained = data()
    model = inspect_model(models_folder() / "onnx" / f"{trained.model}.onnx")
    shapes = resolve_shapes(model, {}, 1)
    half = len(trained.x) // 2
    np.savez(tmp_path / "samples.npz", x=trained.x[:half].astype(trained.x.dtype))
    samples = calibration.from_data(tmp_path / "samples.npz", model, shapes, folder=tmp_path, limit=100)
    unseen = Trained(trained.model, trained.x[half:], trained.y[half:], trained.accuracy)
    found: dict[str, float] = {}
    for name in ("fp32", "int8", "int8-dynamic", "int8-weights", "int4-weights"):
        recipe = Recipe("onnx", name, shapes, calibration=samples if name == "int8" else None)
        artifact = convert(model, recipe, tmp_path / "cache", report=made.quiet)
        assert artifact.check is not None
        share = precisions.share(name, artifact.check.proof)
        assert share is not None
        assert share > (0.9 if name in ("int8", "int8-weights") else 0)
        found[name] = accuracy(artifact.paths[0], unseen)
        print(f"{trained.model} {name}: {found[name]:.4f}, proof {share:.0%}, {artifact.size_bytes} bytes")
    if trained.accuracy:
        assert found["fp32"] == pytest.approx(trained.accuracy, abs=0.03)
    assert min(found["int8"], found["int8-dynamic"], found["int8-weights"]) > found["fp32"] - 0.02
    assert found["int4-weights"] > found["fp32"] - 0.1
