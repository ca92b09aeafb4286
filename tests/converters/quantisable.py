"""Networks with something to quantise, and samples for them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from farm_converters.golden_onnx import save_npz
from tests.converters import made


def constant(name: str, *shape: int, seed: int = 0, scale: float = 0.2) -> Any:
    array = np.random.default_rng(seed).normal(0, scale, shape).astype(np.float32)
    return numpy_helper.from_array(array, name)


def classifier(path: Path, *, opset: int = 13) -> Path:
    """x [1, 3, 8, 8] -> Conv, Relu, depthwise Conv, pool, Gemm -> y [1, 10]."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b1"], ["c1"], "first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c1"], ["r1"], "relu"),
        helper.make_node("Conv", ["r1", "w2"], ["c2"], "depthwise", pads=[1, 1, 1, 1], group=32),
        helper.make_node("GlobalAveragePool", ["c2"], ["p"], "pool"),
        helper.make_node("Flatten", ["p"], ["f"], "flat"),
        helper.make_node("Gemm", ["f", "w3", "b3"], ["y"], "last", transB=1),
    ]
    constants = [
        constant("w1", 32, 3, 3, 3, seed=1),
        constant("b1", 32, seed=2),
        constant("w2", 32, 1, 3, 3, seed=3),
        constant("w3", 10, 32, seed=4),
        constant("b3", 1, 10, seed=5),  # a row, as some exporters write it
    ]
    return made.save(
        path, nodes, [made.value("x", [1, 3, 8, 8])], [made.value("y", [1, 10])], constants, opset=opset
    )


def language(path: Path) -> Path:
    """ids [1, 6] -> table of 50 rows -> LSTM -> MatMul -> y [6, 1, 40]."""
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["vectors"], "look_up"),
        helper.make_node("Transpose", ["vectors"], ["steps"], "steps", perm=[1, 0, 2]),
        helper.make_node("LSTM", ["steps", "w", "r", "b"], ["out"], "cell", hidden_size=32),
        helper.make_node("Squeeze", ["out", "axis"], ["hidden"], "squeeze"),
        helper.make_node("MatMul", ["hidden", "head"], ["y"], "head"),
    ]
    constants = [
        constant("table", 50, 24, seed=1),
        constant("w", 1, 128, 24, seed=2),
        constant("r", 1, 128, 32, seed=3),
        constant("b", 1, 256, seed=4),
        constant("head", 32, 40, seed=5),
        numpy_helper.from_array(np.array([1], np.int64), "axis"),
    ]
    return made.save(
        path, nodes, [made.value("ids", [1, 6], "int64")], [made.value("y", [6, 1, 40])], constants
    )


def samples(path: Path, count: int = 8) -> Path:
    """Calibration for ``classifier``, packed."""
    array = np.random.default_rng(9).normal(0, 1, (count, 1, 3, 8, 8)).astype(np.float32)
    save_npz(path, {"in.0": array})
    return path


def answers(model: Any, feed: dict[str, Any]) -> np.ndarray[Any, Any]:
    """The first output, in ONNX Runtime."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    session = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return np.asarray(session.run(None, feed)[0])


def cosine(a: np.ndarray[Any, Any], b: np.ndarray[Any, Any]) -> float:
    return float(np.ravel(a) @ np.ravel(b) / np.linalg.norm(a) / np.linalg.norm(b))


def read(path: Path) -> Any:
    return onnx.shape_inference.infer_shapes(onnx.load(path))
