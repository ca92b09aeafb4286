"""Inside the sandbox: ONNX with its weights stored in 8 or 4 bits and computing in floats.

Standard operators only. Weights of matrix products, convolutions and recurrent cells go through
DequantizeLinear; ONNX Runtime turns those of matrix products into kernels that read the small weights
(MatMulNBits), and widens the others at every inference. Of an embedding table only the rows that are looked
up are widened.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from farm_converters import graph
from farm_converters.quantise_onnx import lifted, with_own_biases

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LEAST_ELEMENTS = 64  # below it, the scales take more room than is won
BLOCK = 32  # weights that share a scale in 4 bits
LEAST_BLOCK = 16
CLIPS = (1.0, 0.95, 0.9, 0.85, 0.8)  # parts of the largest value that a block's scale may cover
OPSETS = {8: 13, 4: 21}  # of DequantizeLinear per axis, and by blocks with int4


@dataclass(frozen=True)
class Use:
    """A node's constant weights: input ``index``, the axis of output channels, the axis that is summed."""

    node: Any
    index: int
    channel: int
    summed: int

    @property
    def name(self) -> str:
        """The constant's name."""
        return str(self.node.input[self.index])


# per operator type: (input, axis of output channels, axis summed over); negative axes from the end
LAYOUTS = {
    "Conv": ((1, 0, 1),),
    "ConvTranspose": ((1, 1, 0),),
    "MatMul": ((1, -1, -2),),
    "Gemm": ((1, 1, 0),),
    "Attention": ((1, 1, 0),),
    "LSTM": ((1, 1, 2), (2, 1, 2)),
    "GRU": ((1, 1, 2), (2, 1, 2)),
    "RNN": ((1, 1, 2), (2, 1, 2)),
}


NO_PRODUCTS = tuple(name for name in LAYOUTS if name not in ("MatMul", "Gemm", "Attention"))


def quantise(
    model: Any,  # noqa: ANN401 - ModelProto
    bits: int,
    *,
    exclude: Sequence[str],
    eights: Sequence[str] = (),
) -> Any:  # noqa: ANN401 - ModelProto
    """``model`` changed in place, or a lifted copy; operators of the types ``eights`` in 8 bits at least.

    Raises JobError convert.unsupported.
    """
    model = with_own_biases(lifted(model, OPSETS[bits]))
    for part in [*graph.graphs(model)]:
        if hasattr(part, "initializer"):  # a function has none
            _hoist(part)
            _graph(part, bits, frozenset(exclude), frozenset(eights))
    return model


def _hoist(part: Any) -> None:  # noqa: ANN401 - GraphProto
    """Constant nodes with a tensor as initialisers."""
    kept = []
    for node in part.node:
        value = next((entry.t for entry in node.attribute if entry.name == "value"), None)
        if node.op_type == "Constant" and value is not None:
            part.initializer.add().CopyFrom(value)
            part.initializer[-1].name = node.output[0]
        else:
            kept.append(type(node).FromString(node.SerializeToString()))
    del part.node[:]
    part.node.extend(kept)


@dataclass
class _Changes:
    """What becomes of a graph: constants replaced by others, nodes by others, nodes put in front."""

    constants: dict[str, list[Any]] = field(default_factory=dict)
    nodes: dict[int, list[Any]] = field(default_factory=dict)
    front: list[Any] = field(default_factory=list)

    def apply(self, part: Any) -> None:  # noqa: ANN401 - GraphProto
        nodes = [new for node in part.node for new in self.nodes.get(id(node), [node])]
        tensors = [new for old in part.initializer for new in self.constants.get(old.name, [old])]
        for field_, items in ((part.node, [*self.front, *nodes]), (part.initializer, tensors)):
            copies = [type(item).FromString(item.SerializeToString()) for item in items]
            del field_[:]
            field_.extend(copies)


def _graph(
    part: Any,  # noqa: ANN401 - GraphProto
    bits: int,
    exclude: frozenset[str],
    eights: frozenset[str],
) -> None:
    import numpy as np
    from onnx import numpy_helper

    users = _users(part)
    changes = _Changes()
    for tensor in part.initializer:
        name, nodes = tensor.name, users.get(tensor.name, [])
        if tensor.data_type != graph.FLOAT or not nodes:
            continue
        if any(node is None or node.name in exclude for node in nodes):
            continue
        array = np.asarray(numpy_helper.to_array(tensor))
        if array.size < LEAST_ELEMENTS or array.ndim < 2 or not np.isfinite(array).all():
            continue
        uses = [use for node in nodes for use in _uses(node, name, array.ndim)]
        if len(uses) == len(nodes) and len({(use.channel, use.summed) for use in uses}) == 1:
            if uses[0].node.op_type == "Gemm" and len(uses) == 1:
                array, uses = _upright(uses[0], array), [Use(uses[0].node, 1, 1, 0)]
            _stored(changes, name, array, uses[0], 8 if uses[0].node.op_type in eights else bits)
        elif array.ndim == 2 and all(_looks_up(node, name) for node in nodes):
            _tabled(changes, name, array, nodes)
    changes.apply(part)


def _users(part: Any) -> dict[str, list[Any]]:  # noqa: ANN401 - GraphProto
    """Nodes that read a name as an input; None among them where it leaves the graph another way."""
    users: dict[str, list[Any]] = {}
    for node in part.node:
        direct = {name for name in node.input if name}
        for name in direct:
            users.setdefault(name, []).append(node)
        for name in graph.reads(node) - direct:
            users.setdefault(name, []).append(None)
    for value in part.output:
        users.setdefault(value.name, []).append(None)
    return users


def _uses(node: Any, name: str, rank: int) -> Iterator[Use]:  # noqa: ANN401 - NodeProto
    if list(node.input).count(name) != 1:
        return
    for index, channel, summed in LAYOUTS.get(node.op_type, ()):
        if index < len(node.input) and node.input[index] == name:
            swap = node.op_type == "Gemm" and _attribute(node, "transB", 0) == 1
            axes = (summed, channel) if swap else (channel, summed)
            yield Use(node, index, axes[0] % rank, axes[1] % rank)


def _upright(use: Use, array: Array) -> Array:
    """Gemm's weights as [summed, channel], the order that the runtime's small kernels read."""
    for attribute in use.node.attribute:
        if attribute.name == "transB" and attribute.i == 1:
            attribute.i = 0
            return array.T.copy()
    return array


def _stored(changes: _Changes, name: str, array: Array, use: Use, bits: int) -> None:
    """Replace the constant by small integers and scales; a DequantizeLinear gives ``name`` again."""
    from onnx import TensorProto, helper, numpy_helper

    if bits == 4 and array.shape[use.summed] >= LEAST_BLOCK:
        values, scales = in_blocks(array, use.summed)
        small = helper.make_tensor(f"{name}_int4", TensorProto.INT4, array.shape, packed(values), raw=True)
        where = {"axis": use.summed, "block_size": BLOCK}
    else:
        values, scales = per_channel(array, use.channel)
        small = numpy_helper.from_array(values, f"{name}_int8")
        where = {"axis": use.channel}
    changes.constants[name] = [small, numpy_helper.from_array(scales, f"{name}_scale")]
    inputs = [small.name, f"{name}_scale"]
    changes.front.append(helper.make_node("DequantizeLinear", inputs, [name], f"{name}_dequantize", **where))


def per_channel(array: Array, channel: int) -> tuple[Array, Array]:
    """int8 values of ``array``'s shape and a float32 scale per index of ``channel``."""
    import numpy as np

    others = tuple(axis for axis in range(array.ndim) if axis != channel)
    scales = np.abs(array).max(axis=others, keepdims=True) / np.float32(127)
    scales = np.where(scales == 0, np.float32(1), scales).astype(np.float32)
    values = np.clip(np.rint(array / scales), -127, 127).astype(np.int8)
    return values, scales.reshape(-1)


def in_blocks(array: Array, summed: int) -> tuple[Array, Array]:
    """Values from -8 to 7 of ``array``'s shape, and a scale per BLOCK neighbours along ``summed``.

    The value of largest magnitude becomes -8, so that all 16 levels are used; a scale that clips it a little
    is taken where the sum of squared errors of its block is smaller.
    """
    import numpy as np

    moved = np.moveaxis(array, summed, -1)
    size = moved.shape[-1]
    padded = np.pad(moved, [(0, 0)] * (moved.ndim - 1) + [(0, -size % BLOCK)])
    blocks = padded.reshape(*moved.shape[:-1], -1, BLOCK)
    peak = np.take_along_axis(blocks, np.abs(blocks).argmax(-1)[..., None], -1)[..., 0]
    full = np.where(peak == 0, np.float32(1), peak / np.float32(-8)).astype(np.float32)
    scales, least = full, np.full(full.shape, np.inf, np.float32)
    for part in CLIPS:
        tried = (full * np.float32(part)).astype(np.float32)
        error = np.square(_rounded(blocks, tried) * tried[..., None] - blocks).sum(-1)
        scales, least = np.where(error < least, tried, scales), np.minimum(error, least)
    values = _rounded(blocks, scales).astype(np.int8)
    flat = values.reshape(*moved.shape[:-1], -1)[..., :size]
    return np.moveaxis(flat, -1, summed), np.moveaxis(scales, -1, summed)


def _rounded(blocks: Array, scales: Array) -> Array:
    import numpy as np

    return np.clip(np.rint(blocks / scales[..., None]), -8, 7)


def packed(values: Array) -> bytes:
    """Two 4-bit values in a byte, the first one in the low half, as ONNX stores them."""
    import numpy as np

    flat = values.ravel()
    pairs = np.pad(flat, (0, flat.size % 2)).astype(np.uint8).reshape(-1, 2) & 0xF
    return bytes((pairs[:, 0] | (pairs[:, 1] << 4)).astype(np.uint8))


def _looks_up(node: Any, name: str) -> bool:  # noqa: ANN401 - NodeProto
    return (
        node.op_type == "Gather"
        and node.input[0] == name
        and node.input[1] != name
        and _attribute(node, "axis", 0) == 0
    )


def _tabled(changes: _Changes, name: str, array: Array, nodes: Sequence[Any]) -> None:
    """A table's rows in int8, each with its own scale: looked up first, widened afterwards."""
    from onnx import TensorProto, helper, numpy_helper

    values, scales = per_channel(array, 0)
    small, scale = f"{name}_int8", f"{name}_scale"
    changes.constants[name] = [
        numpy_helper.from_array(values, small),
        numpy_helper.from_array(scales[:, None], scale),
    ]
    for node in nodes:
        ids, row = node.input[1], f"{node.output[0]}_row"
        changes.nodes[id(node)] = [
            helper.make_node("Gather", [small, ids], [row], f"{node.name}_row"),
            helper.make_node("Gather", [scale, ids], [f"{row}_scale"], f"{node.name}_scale"),
            helper.make_node("Cast", [row], [f"{row}_wide"], f"{node.name}_wide", to=TensorProto.FLOAT),
            helper.make_node("Mul", [f"{row}_wide", f"{row}_scale"], [node.output[0]], node.name),
        ]


def _attribute(node: Any, name: str, default: int) -> int:  # noqa: ANN401 - NodeProto
    return next((int(entry.i) for entry in node.attribute if entry.name == name), default)
