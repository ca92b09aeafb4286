"""Small real networks for tests, written by hand with the ONNX graph builder."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def save(path: Path, graph: onnx.GraphProto, opset: int = 17) -> Path:
    """Write a graph with an IR that every runtime under test reads."""
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def conv_net(path: Path, *, batch: int | str = 1, seed: int = 0, width: int = 4) -> Path:
    """[batch,1,8,8] -> conv 3x3, relu, mean, gemm -> [batch,3]."""
    rng = np.random.default_rng(seed)
    weights = [
        numpy_helper.from_array(rng.normal(size=(width, 1, 3, 3)).astype("float32"), "w"),
        numpy_helper.from_array(rng.normal(size=(width, 3)).astype("float32"), "g"),
        numpy_helper.from_array(rng.normal(size=(3,)).astype("float32"), "b"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g", "b"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "conv_net",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [batch, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3])],
        weights,
    )
    return save(path, graph)


def heavy_net(path: Path, size: int = 1024, layers: int = 8) -> Path:
    """A stack of square matrix products that takes milliseconds per inference."""
    weight = numpy_helper.from_array(np.full((size, size), 1e-4, dtype="float32"), "w")
    names = ["x", *(f"h{i}" for i in range(layers - 1)), "y"]
    nodes = [helper.make_node("MatMul", [a, "w"], [b]) for a, b in itertools.pairwise(names)]
    graph = helper.make_graph(
        nodes,
        "heavy_net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [size, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [size, size])],
        [weight],
    )
    return save(path, graph)


def wide_net(path: Path, size: int = 1024) -> Path:
    """One matrix of random weights: many bytes (4 MiB) that do not compress, little work."""
    weight = np.random.default_rng(0).normal(size=(size, size)).astype("float32")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "wide_net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, size])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, size])],
        [numpy_helper.from_array(weight, "w")],
    )
    return save(path, graph)
