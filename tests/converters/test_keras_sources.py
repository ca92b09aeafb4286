"""Keras files and SavedModels through the real TensorFlow, under their own names."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from farm_agent.errors import UsageError
from farm_converters import environment
from farm_converters.sources import open_model
from tests.converters import made
from tests.support import share_environments

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]

MAKER = """
import keras, tensorflow as tf, tf_keras

def two(k):
    left, right = k.Input((4,), name="zed"), k.Input((4,), name="alpha")
    hidden = k.layers.Dense(4, activation="gelu", name="hidden")(left)
    scaled = k.layers.Normalization(mean=0.2, variance=2.0, name="scaled")(right)
    return k.Model([left, right], [k.layers.Subtract(name="gap")([hidden, scaled]), hidden])

two(keras).save("three.keras")
two(tf_keras).save("two.keras")
k = tf_keras
net = k.Sequential([k.layers.Input((None, 3), name="wave"),
    k.layers.Conv1D(4, 3), k.layers.LSTM(5, name="last")])
tf.saved_model.save(net, "served")

class Functions(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def double(self, x):
        return {"y": x * 2}
    @tf.function(input_signature=[tf.TensorSpec([None, 3])])
    def halve(self, x):
        return {"y": x / 2}
class Reading(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([], tf.string)])
    def read(self, x):
        return {"y": tf.io.read_file(x)}
class Appending(tf.Module):
    @tf.function(input_signature=[tf.TensorSpec([2])])
    def append(self, x):
        tf.print("alias ls=evil", output_stream="file://appended.txt")
        return {"y": x * 2}
both, reading, appending = Functions(), Reading(), Appending()
tf.saved_model.save(appending, "appending", signatures={"serving_default": appending.append})
tf.saved_model.save(both, "several", signatures={"double": both.double, "halve": both.halve})
tf.saved_model.save(reading, "reading", signatures={"serving_default": reading.read})
"""


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that the environment is built once."""
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("sources"))


@pytest.fixture(scope="module")
def saved(store: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models that the environment itself saved."""
    folder = tmp_path_factory.mktemp("saved")
    env = environment.prepare("keras", store, made.quiet)
    subprocess.run([env.python, "-I", "-c", MAKER], cwd=folder, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", ["three.keras", "two.keras"])
def test_a_keras_file_keeps_its_names_and_a_free_batch(saved: Path, store: Path, name: str) -> None:
    model = open_model(saved / name, store, made.quiet)

    assert [(item.name, item.shape) for item in model.inputs] == [
        ("zed", ("batch", 4)),
        ("alpha", ("batch", 4)),
    ]
    assert [item.name for item in model.outputs] == ["gap", "hidden"]
    assert model.origin is not None
    assert model.origin.format == "keras"
    assert model.name == Path(name).stem


def test_a_savedmodel_serves_its_default_signature(saved: Path, store: Path) -> None:
    model = open_model(saved / "served", store, made.quiet)

    assert [(item.name, item.shape) for item in model.inputs] == [("wave", ("batch", "wave_1", 3))]
    assert [item.name for item in model.outputs] == ["last"]
    assert "LSTM" in model.operators


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("several", "model.signature", "double, halve"),
        ("reading", "model.custom-code", "ReadFile"),
        ("appending", "model.custom-code", "PrintV2"),
    ],
)
def test_a_savedmodel_that_cannot_serve_is_refused(
    saved: Path, store: Path, name: str, code: str, words: str
) -> None:
    with pytest.raises(UsageError) as caught:
        open_model(saved / name, store, made.quiet)
    assert caught.value.code == code
    assert words in caught.value.message


def test_a_savedmodel_without_its_weights_is_corrupt(saved: Path, store: Path, tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes((saved / "served" / "saved_model.pb").read_bytes())

    with pytest.raises(UsageError) as caught:
        open_model(tmp_path, store, made.quiet)
    assert caught.value.code == "model.corrupt"
