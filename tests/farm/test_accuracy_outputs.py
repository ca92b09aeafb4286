"""Outputs as a device might send them, damaged or made up: a problem that is told, never a crash."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm import accuracy
from farm.datasets import Ready, arrays_of
from farm.drive import Fetched
from farm_agent import collect
from farm_agent.errors import JobError
from farm_agent.messages.evaluation import Evaluation
from farm_agent.wire import Blob, Dataset
from farm_converters.dataset import Packed
from farm_converters.evaluate import Reference
from tests.results.made import job, spec

SCORES = np.random.default_rng(0).normal(size=(200, 10)).astype("f4")


def whole(folder: Path) -> Path:
    return saved(folder / "whole.npz", SCORES)


def saved(path: Path, array: Any) -> Path:
    arrays: dict[str, Any] = {"out.0": array}
    np.savez_compressed(path, **arrays)
    return path


def flipped(folder: Path, at: int) -> Path:
    data = bytearray(whole(folder).read_bytes())
    data[at : at + 3] = bytes(byte ^ 0xFF for byte in data[at : at + 3])
    return written(folder, bytes(data))


def written(folder: Path, data: bytes) -> Path:
    (folder / "outputs.npz").write_bytes(data)
    return folder / "outputs.npz"


def zipped(folder: Path, member: bytes) -> Path:
    with zipfile.ZipFile(folder / "outputs.npz", "w") as archive:
        archive.writestr("out.0.npy", member)
    return folder / "outputs.npz"


def headed(folder: Path, header: str) -> Path:
    text = header.encode().ljust(4096 - 11) + b"\n"
    return zipped(folder, b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))


def method(folder: Path, name: bytes) -> Path:
    """The zip's compression method, or its flags, are what nothing here knows."""
    data = bytearray(whole(folder).read_bytes())
    offset = {b"method": 8, b"flags": 6}[name]
    data[offset] = data[data.rfind(b"PK\x01\x02") + offset + 2] = 99 if name == b"method" else 1
    return written(folder, bytes(data))


def damaged(folder: Path, how: str) -> Path:
    shapes = {
        "negative": "(-1,)",
        "overflowing": f"({'9' * 500},)",
        "empty": "(1099511627776, 1099511627776)",
    }
    if how in shapes:
        return headed(folder, f"{{'descr': '<f4', 'fortran_order': False, 'shape': {shapes[how]}}}")
    return {
        "no zip": lambda: written(folder, b"\x00" * 100),
        "cut short": lambda: written(folder, whole(folder).read_bytes()[:300]),
        "deflate": lambda: flipped(folder, 60),
        "checksum": lambda: flipped(folder, 1000),
        "method": lambda: method(folder, b"method"),
        "encrypted": lambda: method(folder, b"flags"),
        "no array": lambda: zipped(folder, b"abc"),
        "brackets": lambda: headed(folder, "(" * 3000),
        "words": lambda: headed(folder, "{" + ", ".join(f"'word {n}': 0" for n in range(200)) + "}"),
    }[how]()


HOW = ("no zip", "cut short", "deflate", "checksum", "method", "encrypted", "no array", "brackets", "words")


@pytest.mark.parametrize("how", [*HOW, "negative", "overflowing", "empty"])
def test_damaged_outputs_are_a_problem_with_a_reason(tmp_path: Path, how: str) -> None:
    path = damaged(tmp_path, how)
    with pytest.raises(JobError) as caught:
        arrays_of(path)
    assert caught.value.code == "data.unreadable"
    found = accuracy.assessed(ready(tmp_path), fetched(path), tmp_path)
    assert found is not None
    assert (found.value, 0 < len(found.problem) <= 300) == (None, True)


def test_outputs_that_unpack_to_more_than_an_agent_keeps_are_not_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved(tmp_path / "bomb.npz", np.zeros((1 << 20) + 1000, np.uint8))
    assert len(arrays_of(tmp_path / "bomb.npz")) == 1
    monkeypatch.setattr(collect, "MAX_OUTPUT_BYTES", 500)
    with pytest.raises(JobError) as caught:
        arrays_of(tmp_path / "bomb.npz")
    assert caught.value.code == "data.too-large"


def test_whole_outputs_have_no_problem(tmp_path: Path) -> None:
    found = accuracy.assessed(ready(tmp_path), fetched(whole(tmp_path)), tmp_path)
    assert found is not None
    assert (found.problem, found.agreement["top1"]) == ("", 1.0)


def ready(folder: Path) -> Ready:
    """A data set without labels, and the source model's answers."""
    dataset = Dataset(Blob("0" * 64, 1, "dataset.npz"), "set.npz", metric="", keep_outputs=True)
    packed = Packed(dataset, folder / "dataset.npz", 200)
    return Ready(dataset, packed.path, "", packed, Reference(whole(folder), 200, "onnxruntime", 0.1))


def fetched(outputs: Path) -> Fetched:
    return Fetched(spec(), job(evaluation=Evaluation(200)), (), 0, 0, outputs=outputs)
