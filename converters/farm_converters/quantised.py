"""Inside the sandbox: how much of an ONNX graph is quantised, counted from the graph itself."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farm_agent.errors import JobError
from farm_converters import graph

# operators that carry weights; "8 bits" of them compute in integers by their own name
FLOATING = frozenset(
    ["Conv", "ConvTranspose", "MatMul", "Gemm", "LSTM", "GRU", "RNN", "Attention", "FusedMatMul"]
)
INTEGER = frozenset(
    [
        "QLinearConv", "QLinearMatMul", "ConvInteger", "MatMulInteger", "MatMulIntegerToFloat", "QGemm",
        "DynamicQuantizeMatMul", "DynamicQuantizeLSTM", "QAttention",
    ]
)  # fmt: skip
MATRIX = 2  # dimensions of the weights that ONNX Runtime reads small
SMALL = {2: 8, 3: 8, 21: 4, 22: 4}  # uint8, int8, uint4, int4: bits per value


@dataclass(frozen=True)
class Share:
    """``integer`` of ``weighted`` operators compute in integers. ``small_bytes``: what the weights that are
    stored in 8 bits or fewer would take in float32; ``wide_bytes``: what the others take."""

    integer: int
    weighted: int
    small_bytes: int
    wide_bytes: int


def share_of(model: Any) -> Share:  # noqa: ANN401 - ModelProto
    """Over the main graph and all bodies."""
    integer = weighted = small = wide = 0
    for part in graph.graphs(model):
        made_by = {name: node for node in part.node for name in node.output}
        constants = {tensor.name: tensor for tensor in getattr(part, "initializer", ())}
        for node in part.node:
            if node.op_type in INTEGER:
                integer, weighted = integer + 1, weighted + 1
            elif node.op_type in FLOATING and _has_weights(node, constants, made_by):
                weighted += 1
                integer += _all_pairs(node, made_by)
        for tensor in constants.values():
            if len(tensor.dims) >= 2 and tensor.data_type in SMALL:
                small += math.prod(tensor.dims) * 4
            elif (
                len(tensor.dims) >= 2
                and tensor.data_type == graph.FLOAT
                and not tensor.name.endswith("_scale")
            ):
                wide += math.prod(tensor.dims) * 4
    return Share(integer, weighted, small, wide)


def refuse_none(share: Share) -> None:
    """Raises JobError convert.nothing-to-quantise where no operator computes in integers."""
    if share.integer == 0:
        raise nothing("no operator of the model could be quantised")


def stored_caveats(model: Any, bits: int) -> list[str]:  # noqa: ANN401 - ModelProto
    """What is worth knowing of a model with small weights. Raises JobError convert.nothing-to-quantise."""
    share = share_of(model)
    if not share.small_bytes:
        raise nothing("the model has no weights of two and more dimensions that could be stored small")
    values = (share.small_bytes + share.wide_bytes) / 4
    told = [f"{_values(model, 4) / values:.0%} in 4 bits"] if bits == 4 else []
    if _values(model, 8):
        told.append(f"{_values(model, 8) / values:.0%} in 8 bits")
    found = [f"of the weights, {' and '.join(told)}"]
    widened = sorted(_widened(model))
    if widened:
        found.append(f"weights of {', '.join(widened)} are widened at every inference: smaller, not faster")
    return found


def _values(model: Any, bits: int) -> int:  # noqa: ANN401 - ModelProto
    """How many weights are stored in so many bits."""
    return sum(
        math.prod(tensor.dims)
        for part in graph.graphs(model)
        for tensor in getattr(part, "initializer", ())
        if len(tensor.dims) >= 2 and SMALL.get(tensor.data_type) == bits
    )


def _widened(model: Any) -> set[str]:  # noqa: ANN401 - ModelProto
    """Types of operators for whose weights ONNX Runtime has no kernel that reads them small."""
    found = set()
    for part in graph.graphs(model):
        makers = [node for node in part.node if node.op_type == "DequantizeLinear"]
        stored = {tensor.name: len(tensor.dims) for tensor in getattr(part, "initializer", ())}
        ranks = {node.output[0]: stored.get(node.input[0], 0) for node in makers}
        for node in part.node:
            used = [ranks[name] for name in node.input if name in ranks]
            if used and not (used == [MATRIX] and _reads_small(node, stored)):
                found.add(str(node.op_type))
    return found


def _reads_small(node: Any, ranks: Mapping[str, int]) -> bool:  # noqa: ANN401 - NodeProto
    """Whether ONNX Runtime makes MatMulNBits of it: a plain product, with a vector as bias if any."""
    if node.op_type == "MatMul":
        return True
    factors = {entry.name: entry.f for entry in node.attribute if entry.name in ("alpha", "beta")}
    plain = all(value == 1.0 for value in factors.values())
    turned = any(entry.name in ("transA", "transB") and entry.i for entry in node.attribute)
    bias = ranks.get(node.input[2], 0) if len(node.input) > 2 else 1
    return bool(node.op_type == "Gemm" and plain and not turned and bias == 1)


def nothing(what: str) -> JobError:
    """convert.nothing-to-quantise."""
    return JobError(
        what,
        code="convert.nothing-to-quantise",
        fix="use fp32; exclude fewer nodes, or another precision: docs/precision.md says what each changes",
    )


def _has_weights(node: Any, constants: Any, made_by: Any) -> bool:  # noqa: ANN401 - NodeProto
    """Whether an input other than a bias is constant, at once or through DequantizeLinear."""
    for name in list(node.input)[:2]:
        while name in made_by and made_by[name].op_type in ("DequantizeLinear", "Transpose", "Reshape"):
            name = made_by[name].input[0]  # noqa: PLW2901 - followed upstream
        if name in constants or (name in made_by and made_by[name].op_type == "Constant"):
            return True
    return False


def _all_pairs(node: Any, made_by: Any) -> bool:  # noqa: ANN401 - NodeProto
    """Whether data and weights both come out of DequantizeLinear, which a runtime fuses to integers."""
    sources = [made_by.get(name) for name in list(node.input)[:2]]
    if any(source is None or source.op_type != "DequantizeLinear" for source in sources):
        return False  # a constant's own integers have no node that makes them
    return sources[0].input[0] in made_by
