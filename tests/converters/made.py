"""Small ONNX models and the files around them, made for the tests."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from farm_converters.inspect import inspect_model
from farm_converters.model import InputSpec, Model

Shape = Sequence[int | str | None] | None
KINDS = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "bool": TensorProto.BOOL,
    "string": TensorProto.STRING,
    "bfloat16": TensorProto.BFLOAT16,
    "float8": TensorProto.FLOAT8E4M3FN,
}


def value(name: str, shape: Shape, dtype: str = "float32") -> Any:
    return helper.make_tensor_value_info(name, KINDS[dtype], shape)


def weights(name: str, *shape: int) -> Any:
    array = np.random.default_rng(len(name)).normal(0, 0.3, shape).astype(np.float32)
    return numpy_helper.from_array(array, name)


def save(
    path: Path,
    nodes: Sequence[Any],
    inputs: Sequence[Any],
    outputs: Sequence[Any],
    constants: Sequence[Any] = (),
    *,
    opset: int = 17,
    ir_version: int = 8,
    domains: Sequence[str] = (),
) -> Path:
    graph = helper.make_graph(list(nodes), "net", list(inputs), list(outputs), list(constants))
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=ir_version), str(path))
    return path


def conv(path: Path, batch: int | str | None = 1, *, names: tuple[str, str] = ("image", "features")) -> Path:
    """Convolution and ReLU: rank-4 input and output, where layouts get lost."""
    source, target = names
    return save(
        path,
        [
            helper.make_node("Conv", [source, "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["c"], [target]),
        ],
        [value(source, [batch, 3, 8, 8])],
        [value(target, [batch, 4, 8, 8])],
        [weights("w", 4, 3, 3, 3)],
    )


def two_inputs(path: Path) -> Path:
    """a [1, 4] + b [1, 4], doubled; the second output comes first in the graph."""
    nodes = [
        helper.make_node("Sub", ["a", "b"], ["difference"]),
        helper.make_node("Add", ["a", "b"], ["sum"]),
    ]
    return save(
        path,
        nodes,
        [value("a", [1, 4]), value("b", [1, 4])],
        [value("sum", [1, 4]), value("difference", [1, 4])],
    )


def embedding(path: Path) -> Path:
    """int64 ids into a table of 5 rows, with free batch and length."""
    return save(
        path,
        [helper.make_node("Gather", ["table", "ids"], ["vectors"])],
        [value("ids", ["batch", "length"], "int64")],
        [value("vectors", ["batch", "length", 6])],
        [weights("table", 5, 6)],
    )


def identity(path: Path, dtype: str, shape: Shape = (2, 2)) -> Path:
    return save(
        path,
        [helper.make_node("Identity", ["x"], ["y"])],
        [value("x", shape, dtype)],
        [value("y", shape, dtype)],
        opset=19,
        ir_version=9,
    )


def branch(path: Path) -> Path:
    """An If whose condition is an input."""
    bodies = [
        helper.make_graph(
            [helper.make_node(op, ["x", "x"], [f"{op}_out"])], op, [], [value(f"{op}_out", [2])]
        )
        for op in ("Add", "Mul")
    ]
    node = helper.make_node("If", ["flag"], ["y"], then_branch=bodies[0], else_branch=bodies[1])
    return save(path, [node], [value("flag", [], "bool"), value("x", [2])], [value("y", [2])])


def unsorted(path: Path) -> Path:
    nodes = [helper.make_node("Relu", ["m"], ["y"]), helper.make_node("Neg", ["x"], ["m"])]
    return save(path, nodes, [value("x", [3])], [value("y", [3])])


def custom(path: Path) -> Path:
    node = helper.make_node("MagicOp", ["x"], ["y"], domain="com.acme")
    return save(path, [node], [value("x", [2])], [value("y", [2])], domains=["com.acme"])


def terabytes(path: Path) -> Path:
    """A few bytes of model that ask for 40 TB when run."""
    shape = numpy_helper.from_array(np.array([10**13], np.int64), "shape")
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["big"]),
        helper.make_node("ReduceSum", ["big"], ["sum"], keepdims=0),
        helper.make_node("Add", ["x", "sum"], ["y"]),
    ]
    return save(path, nodes, [value("x", [1])], [value("y", [1])], [shape])


def external(path: Path, location: str, *, length: int = 16) -> Path:
    """y = x + w, where w lies in ``location``."""
    tensor = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[4], data_location=TensorProto.EXTERNAL)
    for key, text in (("location", location), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=text)
    return save(
        path, [helper.make_node("Add", ["x", "w"], ["y"])], [value("x", [4])], [value("y", [4])], [tensor]
    )


def model_of(*inputs: tuple[str, tuple[int | str | None, ...]]) -> Model:
    """A Model with these inputs and nothing else."""
    specs = tuple(InputSpec(name, "float32", shape) for name, shape in inputs)
    return Model(Path("net.onnx"), "onnx", "0" * 64, 1, specs, ())


def inspected(path: Path) -> Model:
    return inspect_model(path)


def quiet(_text: str) -> None:
    """A report nobody reads."""
