"""The user's own inputs for the check: used where they fit, refused with a type where not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import UsageError
from farm_converters.recipe import Recipe
from tests.converters import made
from tests.converters.converting import failure, run


def test_the_user_s_inputs_are_used(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    a = np.arange(12, dtype=np.float32).reshape(3, 1, 4)
    np.savez(tmp_path / "mine.npz", a=a, b=a * 2)
    artifact = run(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz"))
    assert artifact.golden is not None
    assert artifact.golden.samples == 3
    assert artifact.golden_path is not None
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        np.testing.assert_array_equal(data["out.2.0"], a[2] * 3)


GOOD = np.zeros((1, 4), np.float32)


@pytest.mark.parametrize(
    ("arrays", "code"),
    [
        ({"a": GOOD}, "inputs.names"),
        ({"a": GOOD, "b": GOOD, "c": GOOD}, "inputs.names"),
        ({"a": GOOD, "b": GOOD.astype(np.float64)}, "inputs.dtype"),
        ({"a": GOOD, "b": np.zeros((1, 5), np.float32)}, "inputs.shape"),
        ({"a": np.zeros((2, 1, 4), np.float32), "b": np.zeros((3, 1, 4), np.float32)}, "inputs.shape"),
        ({"a": GOOD, "b": np.array([[None] * 4])}, "inputs.unreadable"),
    ],
    ids=["missing", "extra", "dtype", "shape", "counts", "pickle"],
)
def test_inputs_that_do_not_fit_are_typed_errors(
    tmp_path: Path, store: Path, arrays: dict[str, Any], code: str
) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    np.savez(tmp_path / "mine.npz", **arrays)
    error = failure(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz"))
    assert isinstance(error, UsageError)
    assert error.code == code


def test_inputs_that_are_no_npz_or_not_there(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.two_inputs(tmp_path / "net.onnx"))
    (tmp_path / "mine.npz").write_text("text")
    assert (
        failure(model, store, Recipe("onnx", inputs_path=tmp_path / "mine.npz")).code == "inputs.unreadable"
    )
    assert failure(model, store, Recipe("onnx", inputs_path=tmp_path / "none.npz")).code == "inputs.missing"
