"""Named ways from samples to a model's input, and the user's own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import UsageError
from farm_converters import dataset, preprocess
from farm_converters.model import InputSpec, Model
from farm_converters.preprocess import Sample, Target, Unfit

PIXELS = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) * 5
CHW = Target("image", "float32", (3, 4, 4))
HWC = Target("image", "float32", (4, 4, 3))


def applied(name: str, array: Any, target: Target, **sample: Any) -> Any:
    return preprocess.load(name).apply(Sample(np.asarray(array), **sample), target)


def kind_of(name: str, array: Any, target: Target, **sample: Any) -> str:
    with pytest.raises(Unfit) as caught:
        applied(name, array, target, **sample)
    assert caught.value.fix
    return caught.value.kind


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("raw", PIXELS.astype(np.float32)),
        ("unit", PIXELS / np.float32(255)),
        ("signed", PIXELS / np.float32(127.5) - 1),
        ("mnist", (PIXELS / np.float32(255) - 0.1307) / 0.3081),
    ],
)
def test_pixels_become_numbers_in_the_model_s_layout(name: str, expected: Any) -> None:
    there = applied(name, PIXELS, HWC, picture=True)
    assert there.dtype == np.float32
    np.testing.assert_allclose(there, expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(applied(name, PIXELS, CHW, picture=True), there.transpose(2, 0, 1))


def test_imagenet_is_torchvision_s_evaluation() -> None:
    """Short side 256, centre crop 224, mean and deviation; on images torchvision resizes by Pillow, too."""
    from PIL import Image

    array = np.random.default_rng(0).integers(0, 256, (300, 512, 3), np.uint8)
    there = applied("imagenet", array, Target("image", "float32", (3, 224, 224)), picture=True)
    short = np.asarray(Image.fromarray(array).resize((436, 256), resample=2))
    crop = short[16:240, 106:330].astype(np.float32) / 255
    expected = (crop - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225]
    np.testing.assert_allclose(there, expected.transpose(2, 0, 1), atol=1e-5)
    assert kind_of("imagenet", PIXELS, Target("image", "float32", (1, 4, 4)), picture=True) == "preprocess"


def test_images_are_scaled_and_change_between_gray_and_colour() -> None:
    large = np.full((8, 6, 3), 255, np.uint8)
    assert applied("unit", large, CHW, picture=True).tolist() == np.ones((3, 4, 4)).tolist()
    gray = applied("unit", np.full((4, 4), 255, np.uint8), CHW, picture=True)
    assert gray.shape == (3, 4, 4)
    assert applied("unit", PIXELS, Target("x", "float32", (1, 4, 4)), picture=True).shape == (1, 4, 4)
    assert applied("unit", PIXELS, Target("x", "float32", (4, 4)), picture=True).shape == (4, 4)


def test_arrays_keep_their_layout_where_it_is_the_model_s_and_are_never_guessed() -> None:
    chw = PIXELS.transpose(2, 0, 1)
    np.testing.assert_array_equal(applied("unit", chw, CHW), applied("unit", PIXELS, CHW))
    assert kind_of("unit", np.zeros((3, 4, 3), np.uint8), Target("x", "float32", (3, 4, 3))) == "layout"
    assert kind_of("unit", np.zeros((5, 5, 5), np.uint8), CHW) == "layout"
    assert kind_of("raw", PIXELS, CHW) == "shape"


def test_values_that_are_prepared_already_are_not_prepared_twice() -> None:
    assert kind_of("unit", PIXELS / 255, HWC) == "preprocess"


def test_raw_loses_nothing_but_digits_of_floats() -> None:
    floats, whole = Target("x", "float32", (2,)), Target("x", "int32", (2,))
    assert applied("raw", np.array([0.1, 2.0]), floats).dtype == np.float32
    assert kind_of("raw", np.array([0.5, 2.0]), whole) == "dtype"
    assert kind_of("raw", np.array([1e300, 2.0]), floats) == "dtype"
    assert kind_of("raw", np.array(["a", "b"]), floats) == "dtype"
    assert kind_of("raw", np.array([2**24 + 1, 0]), floats) == "dtype"


def test_quantised_samples_are_scaled_back() -> None:
    target = Target("x", "float32", (2, 1))
    extras = {"scale": np.float32(0.5).reshape(()), "zero_point": np.array(3)}
    assert applied("dequantise", np.array([3, 5], np.int8), target, extras=extras).tolist() == [[0.0], [1.0]]
    assert kind_of("dequantise", np.array([3, 5], np.int8), target) == "preprocess"
    assert kind_of("dequantise", np.zeros(2), target, extras=extras) == "preprocess"
    assert kind_of("dequantise", np.zeros(2, int), target, extras={"scale": np.array(-1.0)}) == "preprocess"


def test_names_are_the_files() -> None:
    assert preprocess.names() == ("dequantise", "imagenet", "mnist", "raw", "signed", "unit")
    with pytest.raises(UsageError) as caught:
        preprocess.load("nonsense")
    assert caught.value.code == "data.preprocess"


# ------------------------------------------------------------------ the user's own


def packed(folder: Path, name: str, *inputs: str) -> dict[str, Any]:
    arrays: dict[str, Any] = {item: np.arange(6, dtype=np.uint8).reshape(2, 3) for item in inputs}
    np.savez(folder / "set.npz", **arrays)
    specs = tuple(InputSpec(item, "float32", (1, 3)) for item in inputs)
    model = Model(Path("net.onnx"), "onnx", "0" * 64, 1, specs, ())
    shapes = dict.fromkeys(inputs, (1, 3))
    made = dataset.pack(folder / "set.npz", model, shapes, folder=folder / "out", preprocess=name)
    with np.load(made.path) as loaded:
        return dict(loaded)


def test_a_function_of_the_user_runs_in_a_process_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import os\nimport numpy as np\n"
        "def half(sample):\n    return (sample / 2).astype('float32')\n"
        "def who(sample):\n    return np.full(3, os.getpid(), 'float32')\n"
        "def both(samples):\n"
        "    return {'a': samples['a'].astype('float32'), 'b': -samples['b'].astype('float32')}\n"
        "def short(sample):\n    return sample[:2].astype('float32')\n"
        "def fails(sample):\n    raise ZeroDivisionError('as planned')\n"
    )
    assert packed(tmp_path, "mine.py:half", "x")["in.0"].tolist() == [[0, 0.5, 1], [1.5, 2, 2.5]]
    assert float(os.getpid()) not in packed(tmp_path, "mine.py:who", "x")["in.0"]
    assert packed(tmp_path, "mine:half", "x")["in.0"].max() == 2.5
    assert packed(tmp_path, "mine.py:both", "a", "b")["in.1"].min() == -5
    for name, words in (
        ("mine.py:short", "float32[2]"),
        ("mine.py:fails", "as planned"),
        ("mine.py:nothing", "nothing"),
        ("none.py:half", "none.py"),
    ):
        with pytest.raises(UsageError) as caught:
            packed(tmp_path, name, "x")
        assert caught.value.code == "data.preprocess"
        assert words in caught.value.message
