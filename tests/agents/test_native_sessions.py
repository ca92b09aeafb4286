"""Sessions over the runtimes' C entry points: the same outputs as Python's, and why there is none."""

from __future__ import annotations

import os
from array import array
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import capi, native
from farm_agent.capi import openvino as openvino_c
from farm_agent.errors import JobError
from tests.support import ROOT

from .native_parts import NAMES, OPTIONS, inputs_of, packed, sizes, small_model, usable

MODELS = Path(os.environ.get("FARM_MODELS", ROOT.parent / "shared" / "models"))
# Larger ones add minutes and nothing new.
MOST_BYTES = 3_000_000

__all__ = ["packed"]
pytestmark = pytest.mark.usefixtures("packed")


def real_models() -> list[tuple[str, str]]:
    """Every small real model with every runtime that reads its format."""
    readers = {"onnx": ("onnxruntime", "openvino"), "tflite": ("litert",)}
    return [
        (path.relative_to(MODELS).as_posix(), name)
        for kind, names in readers.items()
        for path in sorted((MODELS / kind).glob(f"*.{kind}"))
        if path.stat().st_size <= MOST_BYTES
        for name in names
    ]


def agree(name: str, path: Path) -> Any:
    """Three inputs through both sessions and the native loop; the native session."""
    python = usable(name).open(str(path), OPTIONS)
    try:
        known = sizes(python)
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything
        pytest.skip(f"the Python session cannot run it on zeros: {str(error)[:80]}")
    python = usable(name).open(str(path), OPTIONS)  # a LiteRT model may keep a state
    entry = capi.load(name)
    session = entry.open(entry.library(), str(path), OPTIONS, known)
    for mine, theirs in zip(
        (*session.inputs(), *session.outputs()), (*python.inputs(), *python.outputs()), strict=True
    ):
        assert (mine.name, mine.dtype) == (theirs.name, theirs.dtype)
    for seed in range(3):
        feed = inputs_of(python, known, seed)
        session.bind(feed)
        python.bind(feed)
        session.call()
        python.call()
        _same(session.fetch(), python.fetch())
        loop = native.NativeLoop(native.load(), session.native_call, session)
        assert loop.run(array("q", bytes(16 * 3)), 0, 3, 1 << 62) == 3
        for _ in range(3):
            python.call()
        _same(session.fetch(), python.fetch())
    return session


def _same(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(got) == list(wanted)
    for output, values in wanted.items():
        assert got[output].dtype == values.dtype
        np.testing.assert_array_equal(got[output], values, err_msg=output)


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_python_session(name: str, tmp_path: Path) -> None:
    usable(name)
    session = agree(name, small_model(name, tmp_path))
    with pytest.raises(JobError) as caught:
        session.bind({"no input": np.zeros(1, np.float32)})
    assert caught.value.code in ("input.missing", "runtime.bind-failed")
    session.close()
    session.close()


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_many_types_free_sizes_and_scalars_pass_unharmed(name: str, tmp_path: Path) -> None:
    usable(name)
    agree(name, _typed_model(tmp_path / "typed.onnx")).close()


def _typed_model(path: Path) -> Path:
    """Inputs of six types, one of rank 0 and one of a free size; each comes out changed."""
    from onnx import TensorProto as T
    from onnx import helper, save

    kinds = {"a": T.FLOAT, "b": T.INT64, "c": T.INT32, "d": T.UINT8, "e": T.BOOL, "f": T.DOUBLE}
    shapes: dict[str, list[Any]] = {"a": [], "b": ["n", 3], "c": [2], "d": [1, 5], "e": [4], "f": [2, 2]}
    nodes = [
        helper.make_node("Not" if key == "e" else "Identity" if key == "d" else "Neg", [key], [f"{key}2"])
        for key in kinds
    ]
    graph = helper.make_graph(
        nodes,
        "typed",
        [helper.make_tensor_value_info(key, kind, shapes[key]) for key, kind in kinds.items()],
        [helper.make_tensor_value_info(f"{key}2", kind, shapes[key]) for key, kind in kinds.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


@pytest.mark.models
@pytest.mark.parametrize(("path", "name"), real_models(), ids=str)
def test_real_models_give_equal_outputs(path: str, name: str) -> None:
    try:
        agree(name, MODELS / path).close()
    except native.Unavailable as reason:
        if name != "litert":  # the only one that must know sizes
            raise
        pytest.skip(str(reason))
    except JobError as error:
        # One that a runtime cannot load, or whose operators LiteRT's compiled model does not take.
        pytest.skip(error.message)


def test_a_failing_inference_is_told_in_the_runtimes_words(tmp_path: Path) -> None:
    usable("onnxruntime")
    entry = capi.load("onnxruntime")
    session = entry.open(entry.library(), str(_gather(tmp_path / "gather.onnx")), OPTIONS, {})
    session.bind({"x": np.array([9], np.int64)})
    loop = native.NativeLoop(native.load(), session.native_call, session)
    rows = array("q", bytes(16 * 5))
    for infer in (session.call, lambda: loop.run(rows, 0, 5, 1 << 62)):
        with pytest.raises(JobError, match="indices element out of data bounds, idx=9") as caught:
            infer()
        assert caught.value.code == "runtime.run-failed"
    session.bind({"x": np.array([2], np.int64)})
    assert loop.run(rows, 0, 5, 1 << 62) == 5
    assert session.fetch()["y"].tolist() == [30.0]
    session.close()


def _gather(path: Path) -> Path:
    from onnx import TensorProto, helper, numpy_helper, save

    graph = helper.make_graph(
        [helper.make_node("Gather", ["w", "x"], ["y"])],
        "gather",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.array([10, 20, 30], np.float32), "w")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


HEADER = """
typedef enum {
    DYNAMIC = 0U,  //!< Dynamic, element type
    BOOLEAN,       //!< boolean
    /* two, in one comment */
    BF16, F16, F32,
} ov_element_type_e;
"""


def test_element_types_are_those_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "ov_common.h"
    path.write_text(HEADER)
    assert openvino_c.element_types(path) == {1: "bool", 3: "float16", 4: "float32"}
    # As until 2024: one more at the beginning moves all numbers.
    path.write_text(HEADER.replace("DYNAMIC = 0U,", "UNDEFINED = 0U, DYNAMIC,"))
    assert openvino_c.element_types(path) == {2: "bool", 4: "float16", 5: "float32"}
    for text in ("", HEADER.replace("= 0U", "= 1U"), HEADER.replace("BF16", "BF16 = 9")):
        path.write_text(text)
        with pytest.raises(native.Unavailable, match="cannot be understood"):
            openvino_c.element_types(path)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="enum {}ov_lt=0U,/*\n;F3BOLAtyps", max_size=200))
def test_any_header_is_read_or_refused(text: str) -> None:
    path = Path(os.environ["HOME"]) / "header.h"
    path.write_text(text + HEADER[: len(text)])
    try:
        found = openvino_c.element_types(path)
    except native.Unavailable:
        return
    assert set(found.values()) <= set(openvino_c.DTYPES.values())
