"""Accuracy end to end: samples packed, evaluated on the device, held against the source model's answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import farm
from farm import datasets
from farm.errors import FarmError
from farm.measure import Measure
from farm.sample import sample_data, sample_model
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
from farm_results import accuracy
from farm_results.model import Result
from tests.support import models_folder


def measured(model: Path, **request: Any) -> list[Result]:
    return farm.bench(
        model, runtimes=["onnxruntime"], blocks=1, min_time_s=0.05, measure=Measure(gate=None), **request
    )


def test_a_labelled_set_gives_accuracy_difference_and_agreement() -> None:
    (found,) = measured(sample_model(), data=sample_data())
    assert (found.status, found.error_message) == ("ok", "")
    assert (found.accuracy_metric, found.accuracy, found.accuracy_count) == ("top-1", 355 / 360, 360)
    assert (found.accuracy_reference, found.accuracy_delta) == (found.accuracy, 0.0)
    assert found.accuracy_low is not None
    assert found.accuracy_high is not None
    assert found.accuracy_low < 355 / 360 < found.accuracy_high
    assert found.agreement["top1"] == 1.0
    assert found.agreement["snr_db"] > 100
    about = found.document["accuracy"]
    assert about["assessment"]["counted"] == about["assessment"]["recounted"] == 355
    assert "no difference" in accuracy.said(found)


def test_without_labels_there_is_agreement_and_no_accuracy(tmp_path: Path) -> None:
    with np.load(sample_data()) as data:
        np.savez(tmp_path / "set.npz", image=data["image"][:20])
    (found,) = measured(sample_model(), data=tmp_path / "set.npz")
    assert (found.status, found.accuracy, found.accuracy_metric) == ("ok", None, "")
    assert found.agreement["cosine"] == pytest.approx(1.0)


def test_a_metric_of_the_user_s_own_judges_both_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "def top_3(scores, labels):\n"
        "    return [label in row.argsort()[-3:] for row, label in zip(scores, labels)]\n"
    )
    (found,) = measured(sample_model(), data=sample_data(), metric="mine.py:top_3")
    assert found.accuracy == found.accuracy_reference
    assert found.accuracy is not None
    assert found.accuracy > 355 / 360
    assert found.accuracy_delta_low is not None


# ------------------------------------------------------------------ before anything is measured


def prepared(folder: Path, path: Path, metric: str = "", preprocess: str = "") -> datasets.Ready:
    model = inspect_model(sample_model())
    recipe = Recipe("onnx", shapes={"image": (1, 1, 8, 8)})
    wish = datasets.Wish(path, metric, preprocess)
    return datasets.prepare(wish, model, recipe, folder / "cache", lambda _text: None)


def digits(folder: Path, labels: Any) -> Path:
    with np.load(sample_data()) as data:
        np.savez(folder / "set.npz", image=data["image"][: len(labels)], labels=labels)
    return folder / "set.npz"


@pytest.mark.parametrize(
    ("labels", "metric", "code"),
    [
        (np.array([0, 10]), "", "data.labels"),
        (np.array([0, 1]), "mae", "data.labels"),
        (np.array([0.5, 1.5]), "top-1", "data.metric"),
        (np.array([0.5, 1.5]), "", "data.labels"),
        (np.array([0, 1]), "none.py:f", "metric.custom"),
    ],
)
def test_labels_and_metrics_that_do_not_fit_are_refused_before_the_device_is_asked(
    tmp_path: Path, labels: Any, metric: str, code: str
) -> None:
    with pytest.raises(FarmError) as caught:
        prepared(tmp_path, digits(tmp_path, labels), metric)
    assert (caught.value.code, bool(caught.value.fix)) == (code, True)


def test_folders_that_do_not_name_all_classes_are_refused(tmp_path: Path) -> None:
    from PIL import Image

    for name in ("cat", "dog"):
        (tmp_path / "set" / name).mkdir(parents=True)
        Image.new("L", (8, 8)).save(tmp_path / "set" / name / "a.png")
    with pytest.raises(FarmError) as caught:
        prepared(tmp_path, tmp_path / "set", preprocess="unit")
    assert caught.value.code == "data.labels"
    names = ["zero", "one", "two", "three", "four", "five", "six", "dog", "cat", "nine"]
    (tmp_path / "set/labels.txt").write_text("\n".join(names))
    assert prepared(tmp_path, tmp_path / "set", preprocess="unit").metric == "top-1"


def test_the_source_model_answers_a_data_set_once(tmp_path: Path) -> None:
    path = digits(tmp_path, np.array([0, 1]))
    first = prepared(tmp_path, path).reference
    before = first.path.stat().st_mtime_ns
    assert prepared(tmp_path, path).reference == first
    assert first.path.stat().st_mtime_ns == before
    assert prepared(tmp_path, digits(tmp_path, np.array([0, 1, 2]))).reference.path != first.path


# ------------------------------------------------------------------ real models, where they are


@pytest.mark.models
@pytest.mark.parametrize(
    ("model", "data", "preprocess", "correct", "count"),
    [
        ("mlperf_tiny_kws", "kws/kws_mfcc_dev.npz", "dequantise", 582, 650),
        ("mnist8_cntk", "mnist/mnist_test_dev.npz", "raw", 395, 400),
        ("mnist_cnn_pytorch", "mnist/mnist_test_dev.npz", "mnist", 397, 400),
    ],
)
def test_real_models_reach_their_accuracy_on_the_device(
    model: str, data: str, preprocess: str, correct: int, count: int
) -> None:
    folder = models_folder()
    (found,) = measured(
        folder / "onnx" / f"{model}.onnx",
        data=folder / "data" / data,
        preprocess=preprocess,
    )
    assert (found.status, found.error_message) == ("ok", "")
    assert (found.accuracy, found.accuracy_count) == (correct / count, count)
    assert found.accuracy_delta == 0.0
