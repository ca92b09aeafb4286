"""Which precision ran, read out of ONNX Runtime's profile."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Iterator, List, Mapping, Optional, Set

from farm_agent.wire import PrecisionProof

PROFILE_LIMIT_BYTES = 64 * 1024 * 1024
PRECISIONS = {
    "float": "fp32",
    "float32": "fp32",
    "f32": "fp32",
    "float16": "fp16",
    "f16": "fp16",
    "bfloat16": "bf16",
    "bf16": "bf16",
    "double": "fp64",
    "float64": "fp64",
    "f64": "fp64",
    "int8": "int8",
    "uint8": "int8",
    "i8": "int8",
    "u8": "int8",
    "int4": "int4",
    "uint4": "int4",
    "i4": "int4",
    "u4": "int4",
}
# They change a tensor's type or only move it: not what the network computes in.
MOVERS = frozenset(
    [
        "Cast",
        "QuantizeLinear",
        "DequantizeLinear",
        "Reshape",
        "Transpose",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Identity",
        "Shape",
        "Gather",
        "Concat",
        "Slice",
        "Split",
        "Expand",
        "Tile",
        "Pad",
        "MemcpyToHost",
        "MemcpyFromHost",
        "ReorderInput",
        "ReorderOutput",
        "Constant",
    ]
)
# They carry weights: convolutions and recurrent cells always do,
WEIGHTED = frozenset(
    [
        "Conv",
        "FusedConv",
        "NhwcFusedConv",
        "ConvTranspose",
        "ConvInteger",
        "QLinearConv",
        "QLinearConvTranspose",
        "NhwcConv",
        "Gemm",
        "FusedGemm",
        "QGemm",
        "MatMulInteger",
        "MatMulIntegerToFloat",
        "MatMulIntegerToFloatFusion",
        "DynamicQuantizeMatMul",
        "MatMulNBits",
        "Attention",
        "QAttention",
        "LSTM",
        "DynamicQuantizeLSTM",
        "GRU",
        "RNN",
    ]
)
# matrix products only where one side is constant: the number of inputs when both are computed.
PRODUCTS = {"MatMul": 2, "FusedMatMul": 2, "QLinearMatMul": 8, "TransposeMatMul": 2}
# Scales and zero points of a product of two computed tensors hold at most this.
PRODUCT_CONSTANTS_BYTES = 24


def precision_of(dtype: str) -> str:
    """Our word for a runtime's name of a type; "other" for integers that count or index."""
    return PRECISIONS.get(dtype.lower(), "other")


def ort_precisions(path: Path, nbits: str = "") -> Optional[PrecisionProof]:
    """Count the kernels of a profile by the type they compute in; None when it cannot be read.

    ``nbits``: what block-quantised products multiply in; "": the type of their input.
    """
    if path.stat().st_size > PROFILE_LIMIT_BYTES:
        return None
    try:
        events = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError:
        return None
    counts: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    weighted: Counter[str] = Counter()
    seen: Set[str] = set()
    for event in events if isinstance(events, list) else ():
        name, args = str(event.get("name", "")), event.get("args")
        if event.get("cat") != "Node" or not name.endswith("_kernel_time") or not isinstance(args, dict):
            continue
        key = f"{name}/{args.get('node_index')}"
        if key not in seen:
            seen.add(key)
            precision = _kernel(args, nbits)
            (moved if args.get("op_name") in MOVERS else counts)[precision] += 1
            if carries_weights(args):
                weighted[precision] += 1
    source = "ONNX Runtime profile: tensor types of every kernel that ran"
    return summarise(counts, moved, source, weighted)


def carries_weights(args: Mapping[str, Any]) -> bool:
    """Whether a kernel of a profile has constant weights.

    Weights that the runtime packed at load time are no input of the kernel any more; those that it did not
    pack are counted in ``parameter_size``.
    """
    op = str(args.get("op_name", ""))
    if op not in PRODUCTS:
        return op in WEIGHTED
    try:
        constant_bytes = int(args.get("parameter_size", 0))
    except (TypeError, ValueError):
        constant_bytes = 0
    limit = PRODUCT_CONSTANTS_BYTES if op == "QLinearMatMul" else 0
    return len(_types(args.get("input_type_shape"))) < PRODUCTS[op] or constant_bytes > limit


def summarise(
    computing: Mapping[str, int],
    moving: Mapping[str, int],
    source: str,
    weighted: Optional[Mapping[str, int]] = None,
    weights: Optional[Mapping[str, int]] = None,
) -> Optional[PrecisionProof]:
    """``executed``: the most frequent real precision among computing operators, else among all."""
    operators = Counter(computing) + Counter(moving)
    for counts in (computing, operators):
        real = {name: count for name, count in counts.items() if name != "other"}
        if real:
            executed = max(sorted(real), key=lambda name: real[name])
            return PrecisionProof(
                executed, dict(operators), source, dict(weighted or {}), dict(weights or {})
            )
    if not operators:
        return None
    return PrecisionProof("other", dict(operators), source, dict(weighted or {}), dict(weights or {}))


def _kernel(args: Mapping[str, Any], nbits: str) -> str:
    """Integer kernels read 8-bit tensors; any other computes in what it writes."""
    op = str(args.get("op_name", ""))
    if op == "MatMulNBits":  # its packed weights are bytes to the profile, whatever it multiplies in
        written = [precision_of(name) for name in _types(args.get("output_type_shape"))]
        return nbits or (written[0] if written else "other")
    read = [precision_of(name) for name in _types(args.get("input_type_shape"))]
    written = [precision_of(name) for name in _types(args.get("output_type_shape"))]
    if "int8" in read and op not in MOVERS:
        return "int8"
    for candidates in (written, read):
        found = [name for name in candidates if name != "other"]
        if found:
            return found[0]
    return "other"


def _types(shapes: object) -> List[str]:
    return list(_type_names(shapes)) if isinstance(shapes, list) else []


def _type_names(shapes: List[Any]) -> Iterator[str]:
    for item in shapes:
        if isinstance(item, dict):
            yield from (str(key) for key in item)
