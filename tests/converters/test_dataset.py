"""Labelled samples are packed for the agent, or refused with what is wrong."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import InfrastructureError, UsageError
from farm_converters import calibration
from farm_converters.dataset import pack_dataset
from farm_converters.model import Model
from tests.converters.made import model_of

LABELS = np.arange(5)
IMAGES = np.zeros((5, 3, 4), np.float32)


def one() -> Model:
    return model_of(("image", ("N", 3, 4)))


def pack(path: Path, arrays: dict[str, Any], model: Model | None = None) -> dict[str, Any]:
    np.savez(path / "data.npz", **arrays)
    model = model or one()
    shapes = {item.name: (1, 3, 4) for item in model.inputs}
    dataset, packed = pack_dataset(path / "data.npz", model, shapes, folder=path / "out")
    assert dataset.name == "data.npz"
    assert dataset.blob.size_bytes == packed.stat().st_size
    with np.load(packed, allow_pickle=False) as loaded:
        return dict(loaded)


@pytest.mark.parametrize("name", ["image", "x", "images"])
@pytest.mark.parametrize("labels", ["labels", "y"])
def test_the_usual_names_work(tmp_path: Path, name: str, labels: str) -> None:
    packed = pack(tmp_path, {name: IMAGES + 2, labels: LABELS.astype(np.uint8)})
    assert packed["in.0"].shape == (5, 3, 4)
    assert packed["in.0"].max() == 2
    assert packed["labels"].dtype == np.int64


def test_a_batch_dimension_of_one_is_taken_away(tmp_path: Path) -> None:
    assert pack(tmp_path, {"x": IMAGES.reshape(5, 1, 3, 4), "y": LABELS})["in.0"].shape == (5, 3, 4)


def test_inputs_keep_the_model_s_order(tmp_path: Path) -> None:
    model = model_of(("b", (1, 3, 4)), ("a", (1, 3, 4)))
    packed = pack(tmp_path, {"a": IMAGES + 1, "b": IMAGES + 2, "y": LABELS}, model)
    assert (packed["in.0"].max(), packed["in.1"].max()) == (2, 1)


def test_the_same_samples_give_the_same_file(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=IMAGES, y=LABELS)
    shapes = {"image": (1, 3, 4)}
    first = pack_dataset(tmp_path / "data.npz", one(), shapes, folder=tmp_path / "a")[0]
    assert first == pack_dataset(tmp_path / "data.npz", one(), shapes, folder=tmp_path / "b")[0]


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"x": IMAGES, "y": LABELS * np.nan}, "data.labels"),
        ({"x": IMAGES, "y": LABELS.astype(str)}, "data.labels"),
        ({"x": IMAGES + np.inf, "y": LABELS}, "data.not-finite"),
        ({"x": IMAGES, "y": LABELS - 1}, "data.labels"),
        ({"x": IMAGES, "y": LABELS.astype(np.uint64) + np.uint64(2**63)}, "data.labels"),
        ({"x": IMAGES, "y": LABELS + 1e300}, "data.labels"),
        ({"x": IMAGES, "y": LABELS + 0j}, "data.labels"),
        ({"x": IMAGES, "y": LABELS.astype("datetime64[s]")}, "data.labels"),
        ({"x": IMAGES[:0], "y": LABELS[:0]}, "data.empty"),
        ({"pictures": IMAGES, "y": LABELS}, "data.names"),
        ({"x": IMAGES.astype(np.uint8), "y": LABELS}, "data.dtype"),
        ({"x": IMAGES[:4], "y": LABELS}, "data.count"),
        ({"x": IMAGES.reshape(5, 4, 3), "y": LABELS}, "data.shape"),
        ({"x": np.array([None] * 5), "y": LABELS}, "data.unreadable"),
    ],
)
def test_what_does_not_fit_is_a_typed_error(tmp_path: Path, arrays: dict[str, Any], code: str) -> None:
    with pytest.raises(UsageError) as caught:
        pack(tmp_path, arrays)
    assert caught.value.code == code
    assert caught.value.fix


def test_a_file_that_is_missing_or_no_npz(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        pack_dataset(tmp_path / "none.npz", one(), {"image": (1, 3, 4)})
    assert caught.value.code == "data.missing"
    (tmp_path / "text.npz").write_text("text")
    with pytest.raises(UsageError) as caught:
        pack_dataset(tmp_path / "text.npz", one(), {"image": (1, 3, 4)})
    assert caught.value.code == "data.unreadable"


def test_a_full_disk_leaves_no_half_packed_samples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(target: Path, _arrays: object) -> None:
        target.write_bytes(b"half")
        raise OSError(errno.ENOSPC, "No space left on device")

    np.savez(tmp_path / "data.npz", x=IMAGES, y=LABELS)
    monkeypatch.setattr("farm_converters.dataset.save_npz", full)
    monkeypatch.setattr("farm_converters.golden_onnx.save_npz", full)
    with pytest.raises(InfrastructureError) as caught:
        pack_dataset(tmp_path / "data.npz", one(), {"image": (1, 3, 4)}, folder=tmp_path / "out")
    assert caught.value.code == "host.disk-full"
    with pytest.raises(InfrastructureError):
        calibration.random(one(), {"image": (1, 3, 4)}, count=2, seed=0, folder=tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
