"""The bundled network and the script that trains it."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime

from farm.sample import sample_data, sample_model
from tests.support import ROOT


def right_and_count(model: Path, data: Path) -> tuple[int, int]:
    """How many labelled samples ONNX Runtime gets right."""
    session = onnxruntime.InferenceSession(model)
    with np.load(data, allow_pickle=False) as file:
        images, labels = file["image"], file["labels"]
    assert (images.dtype, labels.dtype) == (np.float32, np.int64)
    assert images.shape[1:] == (1, 8, 8)
    assert 0.0 <= images.min() < images.max() <= 1.0
    scores = [session.run(None, {"image": image[None]})[0][0] for image in images]
    return int((np.argmax(scores, axis=1) == labels).sum()), len(labels)


def test_the_sample_is_as_good_as_its_readme_says() -> None:
    """The figure beside the file is the one measured here."""
    right, count = right_and_count(sample_model(), sample_data())

    text = sample_model().with_name("README.md").read_text()
    found = re.search(r"gets (\d+) of them right: accuracy ([\d.]+)\.", text)
    assert found is not None
    assert (right, f"{right / count:.4f}") == (int(found[1]), found[2])
    assert right / count >= 0.97


def test_the_script_trains_such_a_network(tmp_path: Path) -> None:
    """Trained again it is as good, on the same held-out samples."""
    subprocess.run([sys.executable, ROOT / "scripts" / "train_sample.py", tmp_path], check=True)

    right, count = right_and_count(tmp_path / "digits.onnx", tmp_path / "digits_test.npz")
    assert right / count >= 0.97
    with np.load(tmp_path / "digits_test.npz") as again, np.load(sample_data()) as bundled:
        for name in ("image", "labels"):
            assert hashlib.sha256(again[name]).digest() == hashlib.sha256(bundled[name]).digest()
