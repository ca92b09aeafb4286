"""Which precision ran, read out of ONNX Runtime's profile."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Set

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


def precision_of(dtype: str) -> str:
    """Our word for a runtime's name of a type; "other" for integers that count or index."""
    return PRECISIONS.get(dtype.lower(), "other")


def ort_precisions(path: Path) -> Optional[PrecisionProof]:
    """Count the kernels of a profile by the type they compute in; None when it cannot be read."""
    if path.stat().st_size > PROFILE_LIMIT_BYTES:
        return None
    try:
        events = json.loads(path.read_text(encoding="utf-8", errors="replace"))
    except ValueError:
        return None
    counts: Counter[str] = Counter()
    moved: Counter[str] = Counter()
    seen: Set[str] = set()
    for event in events if isinstance(events, list) else ():
        name, args = str(event.get("name", "")), event.get("args")
        if event.get("cat") != "Node" or not name.endswith("_kernel_time") or not isinstance(args, dict):
            continue
        key = f"{name}/{args.get('node_index')}"
        if key not in seen:
            seen.add(key)
            (moved if args.get("op_name") in MOVERS else counts)[_kernel(args)] += 1
    return summarise(counts, moved, "ONNX Runtime profile: tensor types of every kernel that ran")


def summarise(computing: Dict[str, int], moving: Dict[str, int], source: str) -> Optional[PrecisionProof]:
    """``executed``: the most frequent real precision among computing operators, else among all."""
    operators = Counter(computing) + Counter(moving)
    for counts in (computing, operators):
        real = {name: count for name, count in counts.items() if name != "other"}
        if real:
            return PrecisionProof(max(sorted(real), key=lambda name: real[name]), dict(operators), source)
    return PrecisionProof("other", dict(operators), source) if operators else None


def _kernel(args: Dict[str, Any]) -> str:
    """Integer kernels read 8-bit tensors; any other computes in what it writes."""
    op = str(args.get("op_name", ""))
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
