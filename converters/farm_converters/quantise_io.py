"""Inside the sandbox: integer inputs and outputs for a QDQ graph, so that no float crosses the boundary."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farm_converters import graph

MOVERS = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten")  # take integers as they take floats
NUMPY = {2: "uint8", 3: "int8"}


@dataclass(frozen=True)
class Integers:
    """How a tensor of the boundary is quantised: real = scale * (integer - zero_point)."""

    dtype: str
    scale: float
    zero_point: int


def integer_io(model: Any) -> tuple[dict[str, Integers], list[str]]:  # noqa: ANN401 - ModelProto
    """Change ``model``: each input that is only quantised, and each output that only comes out of
    DequantizeLinear, becomes integer. Names of those, and names of what stays in floats."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    found: dict[str, Integers] = {}
    floats: list[str] = []
    for value in [*model.graph.input, *model.graph.output]:
        if value.type.tensor_type.elem_type != graph.FLOAT:
            continue
        is_input = any(value is other for other in model.graph.input)
        pair = _first(model, value.name) if is_input else _last(model, value.name)
        integers = _integers(pair, constants) if pair is not None else None
        if pair is None or integers is None:
            floats.append(value.name)
            continue
        _without(model, pair, value.name)
        value.type.tensor_type.elem_type = next(key for key, word in NUMPY.items() if word == integers.dtype)
        found[value.name] = integers
    return found, floats


def _without(model: Any, pair: Any, boundary: str) -> None:  # noqa: ANN401 - ModelProto
    """Take a (de)quantising node out; the name of the graph's own input or output stays."""
    model.graph.node.remove(pair)
    if pair.output[0] == boundary:
        _rename(model, pair.input[0], boundary)
    else:
        _rename(model, pair.output[0], pair.input[0])


def _first(model: Any, name: str) -> Any | None:  # noqa: ANN401 - ModelProto
    """The one QuantizeLinear that an input goes to, at once or moved; None when something else reads it."""
    outputs = {value.name for value in model.graph.output}
    while name not in outputs:
        users = [node for node in model.graph.node if name in graph.reads(node)]
        if len(users) != 1 or users[0].input[0] != name:
            return None
        if users[0].op_type == "QuantizeLinear":
            return users[0]
        if users[0].op_type not in MOVERS:
            return None
        name = users[0].output[0]
    return None


def _last(model: Any, name: str) -> Any | None:  # noqa: ANN401 - ModelProto
    """The DequantizeLinear that an output comes from, at once or moved; None when a node reads it on the way,
    or its integers are an input or output themselves."""
    outside = {value.name for value in (*model.graph.input, *model.graph.output)} - {name}
    made_by = {output: node for node in model.graph.node for output in node.output}
    readers = 0  # of the output itself; of what comes before it one
    while name in made_by and name not in outside:
        if sum(name in graph.reads(node) for node in model.graph.node) != readers:
            return None
        maker, readers = made_by[name], 1
        name = maker.input[0] if maker.input else ""
        if maker.op_type == "DequantizeLinear":
            return maker if name in made_by and name not in outside else None
        if maker.op_type not in MOVERS:
            return None
    return None


def _integers(pair: Any, constants: dict[str, Any]) -> Integers | None:  # noqa: ANN401 - NodeProto
    """Scale and zero point of a pair, when they are constants for the whole tensor."""
    from onnx import numpy_helper

    tensors = [constants[name] for name in list(pair.input)[1:3] if name in constants]
    if len(tensors) != 2:
        return None
    scale, zero = (numpy_helper.to_array(tensor) for tensor in tensors)
    dtype = NUMPY.get(tensors[1].data_type, "")
    if scale.size != 1 or not dtype:
        return None
    return Integers(dtype, float(scale.reshape(())), int(zero.reshape(())))


def _rename(model: Any, old: str, new: str) -> None:  # noqa: ANN401 - ModelProto
    for part in graph.graphs(model):
        for node in part.node:
            for field in (node.input, node.output):
                for index, name in enumerate(field):
                    if name == old:
                        field[index] = new
