"""Recipes with the real tf_keras and tfmot: combined techniques, resumed runs, users' mistakes."""

from __future__ import annotations

import collections
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm.errors import FarmError
from farm_converters.training import launch
from tests.converters.training.parts import job, onnx_of, trained
from tests.support import share_environments

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "digits-keras"
TRAIN = '{epochs = 2, batch = 64, lr = 0.004, clip_norm = 1.0, schedule = "cosine"}'
COMBINED = """
[export]
formats = ["onnx", "tflite", "keras"]
[[steps]]
technique = "prune"
sparsity = 0.6
keep = ["digit"]
train = {epochs = 1}
[[steps]]
technique = "cluster"
clusters = 8
preserve_sparsity = true
keep = ["digit"]
train = {epochs = 1, lr = 0.0005}
[[steps]]
technique = "qat"
preserve = "sparsity+clusters"
train = {epochs = 1, lr = 0.0005}
"""
DISTILLED = """
[[steps]]
technique = "distil"
student = "net.py:student"
train = {epochs = 2, lr = 0.01}
"""
MISTAKES = """
import os, pathlib, signal
import keras
import tensorflow as tf
import tf_keras
def modern():
    return keras.Sequential([keras.layers.Input((8, 8, 1)), keras.layers.Dense(10)])
class Own(tf_keras.Model):
    def call(self, inputs):
        return inputs
def own():
    return Own()
def shapeless():
    return tf_keras.Sequential([tf_keras.layers.Input((8, 8, 1)), tf_keras.layers.Dense(1 // 0)])
def undefined(outputs, labels):
    return tf.reduce_mean(tf.math.log(-1.0 - tf.abs(outputs)))
calls = 0
def count():
    global calls
    calls += 1
    fatal = pathlib.Path(__file__).with_name("fatal")
    if fatal.exists() and calls == int(fatal.read_text()):
        fatal.unlink()
        os.kill(os.getpid(), signal.SIGKILL)
    return calls
def mortal(outputs, labels):
    with tf.control_dependencies([tf.numpy_function(count, [], tf.int64)]):
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, outputs)
        return tf.reduce_mean(losses)
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that the environment is built once."""
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("keras"))


def written(folder: Path, steps: str = "", **changes: str) -> Path:
    """A recipe on the network of the documentation's example."""
    shutil.copyfile(EXAMPLE / "net.py", folder / "net.py")
    (folder / "mistakes.py").write_text(MISTAKES)
    keys = {
        "schema": "1",
        "framework": '"keras"',
        "model": '"net.py:build"',
        "data": '"net.py:data"',
        "train": TRAIN,
        **changes,
    }
    path = folder / "digits.toml"
    path.write_text("\n".join(f"{key} = {value}" for key, value in keys.items()) + "\n" + steps)
    return path


@pytest.fixture(scope="module")
def combined(store: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """Pruned, clustered, quantised; each preserves what came before."""
    path = written(tmp_path_factory.mktemp("combined"), COMBINED)
    return path, trained(path, store)


def kernels(path: Path) -> dict[tuple[int, ...], np.ndarray[Any, Any]]:
    """Weights of an ONNX file by shape, without biases."""
    import onnx
    from onnx import numpy_helper

    arrays = [numpy_helper.to_array(item) for item in onnx.load(path).graph.initializer]
    return {array.shape: array for array in arrays if array.ndim > 1}


def test_zeros_and_clusters_survive_the_steps_that_follow(combined: tuple[Path, dict[str, Any]]) -> None:
    path, answer = combined
    baseline, pruned, clustered, quantised = answer["steps"]

    weights = 16 * 9 + 32 * 16 * 9 + 512 * 64  # without the kept layer
    assert baseline["parameters"] == baseline["nonzero"]
    assert pruned["parameters"] - pruned["nonzero"] == pytest.approx(0.6 * weights, abs=3)
    assert clustered["nonzero"] <= pruned["nonzero"]
    assert quantised["nonzero"] <= clustered["nonzero"]
    hidden = kernels(onnx_of(path, clustered))[512, 64]
    assert 2 <= len(np.unique(hidden)) <= 8 + 1
    stored = kernels(onnx_of(path, quantised))[512, 64]
    assert stored.dtype == np.int8
    assert len(np.unique(stored)) <= 8 + 1
    assert (stored == 0).mean() >= 0.55


def test_qat_ends_in_int8_files_that_run_in_int8(
    combined: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    import onnx
    import onnxruntime

    path, answer = combined
    baseline, *_, quantised = answer["steps"]
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "ran.onnx")
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(onnx_of(path, quantised)), options)

    ran = collections.Counter(node.op_type for node in onnx.load(tmp_path / "ran.onnx").graph.node)
    assert ran["QLinearConv"] == 2, "the batch normalisation went into its convolution's scales"
    assert not ran["Conv"]
    assert [(item.name, item.shape) for item in session.get_inputs()] == [("image", ["batch", 8, 8, 1])]
    assert [item.name for item in session.get_outputs()] == ["digit"]
    sizes = {
        kind: [
            (path.parent / "run" / "0" / step["files"][kind]).stat().st_size for step in (baseline, quantised)
        ]
        for kind in ("onnx", "tflite")
    }
    assert all(after < 0.4 * before for before, after in sizes.values()), sizes
    assert "keras" not in quantised["files"], "it would need tfmot to be loaded"


def test_every_file_was_judged_and_is_as_good_as_its_network(combined: tuple[Path, dict[str, Any]]) -> None:
    _, answer = combined

    for step in answer["steps"]:
        assert step["metric"] > 0.6, step["name"]
        judged = [note for note in step["notes"] if "itself: top-1" in note]
        assert {note.split()[0] for note in judged} == {"model.onnx", "model.tflite"}
        for note in judged:
            assert float(note.split("top-1 ")[1].split()[0]) == pytest.approx(step["metric"], abs=0.03)


def test_a_student_learns_from_a_teacher_that_was_trained_first(tmp_path: Path, store: Path) -> None:
    path = written(tmp_path, DISTILLED, teacher='"net.py:build"')

    baseline, distilled = trained(path, store)["steps"]

    assert distilled["parameters"] < 0.05 * baseline["parameters"]
    assert distilled["metric"] > 0.5
    assert any(note.startswith("teacher: top-1") for note in distilled["notes"])


def test_a_killed_run_goes_on_and_ends_the_same(tmp_path: Path, store: Path) -> None:
    """With dropout, batch normalisation and tfmot's masks in the network."""
    path = written(
        tmp_path,
        '[[steps]]\ntechnique = "prune"\ntrain = {epochs = 2}\n',
        train=TRAIN.replace("}", ', loss = "mistakes.py:mortal"}'),
    )
    undisturbed = trained(path, store, out="whole")
    disturbed = job(path, store, out="killed")
    (tmp_path / "fatal").write_text(str(3 * 17 + 2))  # the second batch of the second epoch of step 1
    seen: list[tuple[int, int]] = []

    with pytest.raises(FarmError) as caught:
        launch.run(disturbed, lambda _event: None)
    assert caught.value.code == "train.out-of-memory"
    assert not (tmp_path / "fatal").exists()
    resumed = launch.run(
        disturbed,
        lambda event: seen.append((event["step"], event["epoch"])) if event["event"] == "epoch" else None,
    )

    assert seen == [(1, 2)]
    assert [step["metric"] for step in resumed["steps"]] == [step["metric"] for step in undisturbed["steps"]]
    whole, killed = (weights(path.parent / out / "0" / "01-prune") for out in ("whole", "killed"))
    assert all(np.array_equal(one, other) for one, other in zip(whole, killed, strict=True))


def weights(step: Path) -> list[np.ndarray[Any, Any]]:
    with np.load(step / "weights.npz") as archive:
        return [archive[name] for name in archive.files if name.startswith("best.")]


@pytest.mark.parametrize(
    ("changes", "code", "words"),
    [
        ({"train": '{epochs = 2, loss = "mistakes.py:undefined"}'}, "train.diverged", "epoch 1, batch 1"),
        ({"model": '"mistakes.py:modern"'}, "train.not-a-network", "import tf_keras"),
        ({"model": '"mistakes.py:own"'}, "train.subclassed", "Sequential"),
        ({"model": '"mistakes.py:shapeless"'}, "train.user-code", "mistakes.py:14"),
    ],
)
def test_a_users_mistake_is_named(
    tmp_path: Path, store: Path, changes: dict[str, str], code: str, words: str
) -> None:
    path = written(tmp_path, **changes)

    with pytest.raises(FarmError) as caught:
        trained(path, store)
    assert caught.value.code == code
    assert words in f"{caught.value.message} {caught.value.fix}"
    assert "Traceback" not in json.dumps(caught.value.message)
