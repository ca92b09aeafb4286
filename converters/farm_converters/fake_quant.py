"""TensorFlow's FakeQuant operators as QuantizeLinear and DequantizeLinear, inside the keras environment.

A range [min, max] of 8 bits becomes scale and zero point as TensorFlow nudges them (Jacob et al. 2018,
section 3): the zero point is the step nearest to 0. Activations become uint8; weights int8, from -127 where
their range is narrow.
Every tool on the way would compute quantised weights back to floats, so they are lifted out of the graph as
if they were inputs before the translation, and put back as int8 after it; a batch normalisation that follows
goes into their scales.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

OPERATORS = ("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVarsPerChannel")
BITS = 8
UNSIGNED = 128  # activations count from 0: ONNX Runtime fuses uint8 inputs with int8 weights
IR_VERSION = 9
_REORDERING = ("Transpose", "Reshape", "Unsqueeze", "Squeeze", "Identity")


@dataclass(frozen=True)
class Weights:
    """A lifted tensor: int8 ``steps`` (zero point 0) and their ``scale``, a scalar or one per last axis."""

    steps: Any
    scale: Any


def lift(graph: Any) -> tuple[Any, dict[str, Weights]]:  # noqa: ANN401 - GraphDef
    """The frozen graph with a placeholder for every quantised weight, and what each stands for."""
    import numpy as np
    import tensorflow as tf

    fixed = _constant_nodes(graph)
    names = [node.name for node in graph.node if node.op in OPERATORS and node.name in fixed]
    lifted: dict[str, Weights] = {}
    with tf.Graph().as_default() as whole, tf.compat.v1.Session(graph=whole) as session:
        tf.import_graph_def(graph, name="")
        for name in names:
            operator = whole.get_operation_by_name(name)
            narrow = bool(operator.get_attr("narrow_range"))
            if operator.get_attr("num_bits") != BITS or len(operator.inputs) < 3:
                continue
            array, low, high = session.run(list(operator.inputs))
            scale, zero = nudged(low, high, narrow=narrow)
            if np.any(zero):
                continue
            steps = np.clip(np.round(array / scale), -127 if narrow else -128, 127).astype(np.int8)
            lifted[name] = Weights(steps, scale)
    made = type(graph)()
    made.CopyFrom(graph)
    for node in made.node:
        if node.name in lifted:
            shape = tf.TensorShape(lifted[node.name].steps.shape).as_proto()
            node.CopyFrom(type(node)(name=node.name, op="Placeholder"))
            node.attr["dtype"].type = tf.float32.as_datatype_enum
            node.attr["shape"].shape.CopyFrom(shape)
    return made, lifted


def _constant_nodes(graph: Any) -> set[str]:  # noqa: ANN401 - GraphDef
    """Nodes that depend on no input of the network."""
    known = {node.name: node for node in graph.node}
    fixed: set[str] = set()
    for node in graph.node:  # a frozen graph is not sorted: walk down from each
        stack, seen = [node.name], set()
        while stack:
            name = stack.pop()
            if name in seen or name in fixed:
                continue
            seen.add(name)
            if known[name].op in ("Placeholder", "PlaceholderWithDefault"):
                break
            stack.extend(item.split(":")[0].lstrip("^") for item in known[name].input)
        else:
            fixed |= seen
    return fixed


def lower(proto: Any, lifted: dict[str, Weights]) -> None:  # noqa: ANN401 - ModelProto
    """Put lifted weights back into ``proto``: int8 constants with a DequantizeLinear at each consumer."""
    graph = proto.graph
    for name, weights in lifted.items():
        tensor = f"{name}:0"
        for number, (node, place, chain) in enumerate(_uses(graph, tensor)):
            _put(proto, weights, (node, place, chain), tensor, f"{name}_{number}")
        for item in [item for item in graph.input if item.name == tensor]:
            graph.input.remove(item)
    _drop_unused(graph)


def _uses(graph: Any, tensor: str) -> list[tuple[Any, int, list[Any]]]:  # noqa: ANN401 - GraphProto
    """Where a lifted tensor ends: (node, its input's number, the nodes that reorder it on the way)."""
    found = []
    stack: list[tuple[str, list[Any]]] = [(tensor, [])]
    while stack:
        name, chain = stack.pop()
        for node in graph.node:
            for place, given in enumerate(node.input):
                if given != name:
                    continue
                if place == 0 and node.op_type in _REORDERING:
                    stack.append((node.output[0], [*chain, node]))
                else:
                    found.append((node, place, chain))
    return found


def _put(
    proto: Any,  # noqa: ANN401 - ModelProto
    weights: Weights,
    use: tuple[Any, int, list[Any]],
    tensor: str,
    name: str,
) -> None:
    import numpy as np
    from onnx import helper, numpy_helper

    graph = proto.graph
    node, place, chain = use
    steps, scales = (
        _reordered(proto, chain, tensor, np.asarray(array, np.float32))
        for array in (weights.steps, np.broadcast_to(weights.scale, weights.steps.shape))
    )
    axis = 0 if node.op_type == "Conv" else steps.ndim - 1
    other = tuple(k for k in range(steps.ndim) if k != axis)
    scale = scales.max(axis=other)
    if not np.array_equal(np.broadcast_to(scale.reshape([-1 if k == axis else 1 for k in range(steps.ndim)]),
                                          steps.shape), scales):  # fmt: skip
        raise ValueError(f"the scales of {name} do not follow one axis of {node.op_type}")
    if node.op_type == "Conv" and place == 1:
        steps, scale = _absorb_normalisation(graph, node, steps, scale)
    stored = [
        numpy_helper.from_array(steps.astype(np.int8), f"{name}_int8"),
        numpy_helper.from_array(scale.astype(np.float32), f"{name}_scale"),
        numpy_helper.from_array(np.zeros(scale.shape, np.int8), f"{name}_zero"),
    ]
    graph.initializer.extend(stored)
    made = helper.make_node(
        "DequantizeLinear", [item.name for item in stored], [f"{name}_float"], f"{name}_dequantize", axis=axis
    )
    node.input[place] = made.output[0]
    graph.node.insert(0, made)


def _reordered(proto: Any, chain: list[Any], tensor: str, array: Any) -> Any:  # noqa: ANN401
    """``array`` after the chain's nodes, by ONNX's own reference implementation."""
    from onnx import helper
    from onnx.reference import ReferenceEvaluator

    if not chain:
        return array
    needed = {name for node in chain for name in node.input}
    constants = [item for item in proto.graph.initializer if item.name in needed]
    given = helper.make_tensor_value_info(tensor, 1, None)
    wanted = helper.make_tensor_value_info(chain[-1].output[0], 1, None)
    part = helper.make_graph(chain, "chain", [given], [wanted], constants)
    model = helper.make_model(part, opset_imports=proto.opset_import, ir_version=IR_VERSION)
    return ReferenceEvaluator(model).run(None, {tensor: array})[0]


def _absorb_normalisation(graph: Any, node: Any, steps: Any, scale: Any) -> tuple[Any, Any]:  # noqa: ANN401
    """Fold a BatchNormalization behind ``node`` into scale, sign and bias of its weights (axis 0)."""
    import numpy as np
    from onnx import numpy_helper

    users = [item for item in graph.node if node.output[0] in item.input]
    if len(users) != 1 or users[0].op_type != "BatchNormalization":
        return steps, scale
    normal = users[0]
    values = {item.name: item for item in graph.initializer}
    if any(name not in values for name in (*normal.input[1:5], *node.input[2:3])):
        return steps, scale
    gamma, beta, mean, variance = (numpy_helper.to_array(values[name]) for name in normal.input[1:5])
    epsilon = next((item.f for item in normal.attribute if item.name == "epsilon"), 1e-5)
    factor = gamma / np.sqrt(variance + epsilon)
    if not np.all(factor):
        return steps, scale
    bias = numpy_helper.to_array(values[node.input[2]]) if len(node.input) > 2 else 0.0
    stored = numpy_helper.from_array(
        np.asarray(beta + (bias - mean) * factor, np.float32), f"{node.output[0]}_bias"
    )
    graph.initializer.append(stored)
    node.input[:] = [*node.input[:2], stored.name]
    node.output[0] = normal.output[0]
    graph.node.remove(normal)
    signs = np.sign(factor).reshape([-1] + [1] * (steps.ndim - 1))
    return steps * signs, scale * np.abs(factor)


def _drop_unused(graph: Any) -> None:  # noqa: ANN401 - GraphProto
    """Reordering nodes and constants that nothing reads any more."""
    while True:
        read = {name for node in graph.node for name in node.input} | {item.name for item in graph.output}
        idle = [node for node in graph.node if not any(name in read for name in node.output)]
        for node in idle:
            graph.node.remove(node)
        if not idle:
            break
    for item in [item for item in graph.initializer if item.name not in read]:
        graph.initializer.remove(item)


def handlers() -> dict[str, tuple[Any, list[Any]]]:
    """For tf2onnx's ``custom_op_handlers``."""
    return {name: (_convert, []) for name in OPERATORS}


def nudged(low: Any, high: Any, *, narrow: bool) -> tuple[Any, Any]:  # noqa: ANN401 - numpy arrays
    """Scale (float32) and zero point (int8) of the ranges [low, high]."""
    import numpy as np

    first, last = (-127 if narrow else -128), 127
    low, high = np.minimum(np.asarray(low, np.float64), 0.0), np.maximum(np.asarray(high, np.float64), 0.0)
    scale = (high - low) / (last - first)
    scale = np.where(scale <= 0, 1.0, scale)
    zero = np.clip(np.round(first - low / scale), first, last)
    return scale.astype(np.float32), zero.astype(np.int8)


def _convert(ctx: Any, node: Any, _name: str, _args: list[Any]) -> Any:  # noqa: ANN401 - tf2onnx
    import numpy as np
    import tf2onnx
    from onnx import TensorProto

    bits, narrow = node.get_attr_value("num_bits", BITS), bool(node.get_attr_value("narrow_range", 0))
    if bits != BITS:
        raise ValueError(f"FakeQuant of {bits} bits has no ONNX operator here; {BITS} bits have")
    scale, zero = nudged(*_range(node), narrow=narrow)
    zero = (zero.astype(np.int16) + UNSIGNED).astype(np.uint8)
    shape, dtype, outputs = ctx.get_shape(node.output[0]), ctx.get_dtype(node.output[0]), node.output
    source = node.input[0]
    attr = {"axis": len(shape) - 1} if scale.ndim else {}
    name = tf2onnx.utils.make_name
    parts = [ctx.make_const(name(f"{node.name}_{word}"), value).output[0]
             for word, value in (("scale", scale), ("zero", zero))]  # fmt: skip
    ctx.remove_node(node.name)
    stored = ctx.make_node(
        "QuantizeLinear", [source, *parts], attr=attr, shapes=[shape], dtypes=[TensorProto.UINT8]
    ).output[0]
    return ctx.make_node(
        "DequantizeLinear",
        [stored, *parts],
        attr=attr,
        outputs=outputs,
        name=node.name,
        shapes=[shape],
        dtypes=[dtype],
    )


def _range(node: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf2onnx
    if node.type == "FakeQuantWithMinMaxArgs":
        return node.get_attr_value("min", -6.0), node.get_attr_value("max", 6.0)
    low, high = (node.inputs[index].get_tensor_value(as_list=False) for index in (1, 2))
    return low, high
