"""Inside the sandbox: read an ONNX file without trusting it, and let ONNX Runtime say whether it can run.

ONNX Runtime is the reference: what it refuses to load is an error with its reason; what only
onnx.checker dislikes is a caveat.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from farm_agent.errors import FarmError, UsageError
from farm_converters import external, sniff

# TensorProto.DataType to numpy's name: only what numpy can carry
DTYPES = {
    1: "float32", 2: "uint8", 3: "int8", 4: "uint16", 5: "int16", 6: "int32", 7: "int64",
    9: "bool", 10: "float16", 11: "float64", 12: "uint32", 13: "uint64",
}  # fmt: skip
NAMELESS = frozenset({"", "-1", "?", "None"})
NO_OPERATOR = re.compile(
    r"not a registered function/op|No Op registered|Could not find an implementation|is not a registered"
    r"|No opset import for domain|NOT_IMPLEMENTED|Failed to find kernel",
)
_CODE_PLACE = re.compile(r"/\S+\.(?:cc|h):\d+ [^()]*\([^()]*(?:\([^()]*\)[^()]*)*\) ?")
SORTED = "topologically sorted"
SHAPELESS = "Field 'shape' of 'type' is required"


def inspect(request: dict[str, Any], _workdir: Path) -> dict[str, Any]:
    """Everything ``Model`` holds, as JSON. Raises UsageError model.*."""
    path = Path(request["path"])
    proto = parse(path)
    files = external.check(proto, path.parent)
    sha256, size_bytes = external.digest(path, files)
    if size_bytes > sniff.MAX_BYTES:
        raise sniff.too_large(path, size_bytes)
    constants = {tensor.name for tensor in proto.graph.initializer}
    inputs = [_tensor(value, "input") for value in proto.graph.input if value.name not in constants]
    outputs = [_tensor(value, "output") for value in proto.graph.output]
    if not outputs:
        raise _invalid(path, "it has no outputs")
    _load(path, proto)
    nodes = [node for graph in _graphs(proto) for node in graph.node]
    return {
        "sha256": sha256,
        "size_bytes": size_bytes,
        "inputs": inputs,
        "outputs": outputs,
        "opsets": {entry.domain or "ai.onnx": int(entry.version) for entry in proto.opset_import},
        "ir_version": int(proto.ir_version),
        "operators": dict(Counter(_operator(node) for node in nodes).most_common()),
        "parameters": sum(math.prod(tensor.dims) for tensor in external.tensors(proto)),
        "producer": " ".join(part for part in (proto.producer_name, proto.producer_version) if part)[:100],
        "caveats": _caveats(path, inputs),
    }


def parse(path: Path) -> Any:  # noqa: ANN401 - ModelProto
    """The file as protobuf, external data left alone. Raises UsageError model.corrupt."""
    import onnx
    from google.protobuf.message import DecodeError

    try:
        proto = onnx.load(str(path), load_external_data=False)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise _corrupt(path, str(error)) from error
    if not proto.HasField("graph") or not (proto.ir_version or proto.graph.node):
        raise _corrupt(path, "it holds no graph")
    return proto


def _load(path: Path, proto: Any) -> None:  # noqa: ANN401 - ModelProto
    """Create an unoptimised session: the reference either takes the model or says why not."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except MemoryError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())
        if "bad_alloc" in text or "Failed to allocate memory" in text:
            raise MemoryError(text) from error
        raise _refused(path, proto, text) from error


def _refused(path: Path, proto: Any, text: str) -> FarmError:  # noqa: ANN401 - ModelProto
    reason = text.split(" failed:", 1)[-1].rsplit(" : ", 1)[-1] if " failed:" in text else text
    reason = _CODE_PLACE.sub("", reason.replace(str(path.parent) + "/", "")).strip()[:300]
    if not NO_OPERATOR.search(text):
        return _invalid(path, f"ONNX Runtime refuses it: {reason}")
    known = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"} | {entry.domain for entry in proto.functions}
    nodes = [node for graph in _graphs(proto) for node in graph.node]
    custom = sorted({f"{node.op_type} of domain {node.domain}" for node in nodes if node.domain not in known})
    named = [node for node in nodes if re.search(rf"\b{re.escape(node.op_type)}\b", text)]
    plain = sorted({f"{node.op_type} of domain {node.domain or 'ai.onnx'}" for node in named})
    what = ", ".join(custom or plain) or "an operator"
    return UsageError(
        f"{path} needs {what}, which ONNX Runtime does not have ({reason})",
        code="model.unsupported-op",
        fix="export the model with standard ONNX operators",
    )


def _caveats(path: Path, inputs: list[dict[str, Any]]) -> list[str]:
    import onnx

    found = []
    try:
        onnx.checker.check_model(str(path))
    except Exception as error:  # noqa: BLE001 - the checker raises many kinds; ONNX Runtime took the model
        text = " ".join(str(error).split())
        if SORTED in text:
            found.append("nodes are not topologically sorted; they are sorted on conversion")
        elif SHAPELESS in text:
            found.append("an output declares no shape; it is taken from a run")
        else:
            found.append(f"onnx.checker: {text[:200]}")
    if not inputs:
        found.append("the model has no inputs: every run computes the same")
    return found


def _tensor(value: Any, kind: str) -> dict[str, Any]:  # noqa: ANN401 - ValueInfoProto
    import onnx

    carried = value.type.WhichOneof("value")
    if carried != "tensor_type":
        what = (carried or "unknown").removesuffix("_type")
        raise _unsupported(value.name, kind, f"a {what} value")
    tensor = value.type.tensor_type
    dtype = DTYPES.get(tensor.elem_type)
    if dtype is None:
        try:
            name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower()
        except ValueError:
            name = f"type {tensor.elem_type}"
        raise _unsupported(value.name, kind, f"a {name} tensor")
    known = tensor.HasField("shape")
    shape = [_size(size) for size in tensor.shape.dim] if known else None
    if kind == "input" and shape is None:
        shape = []
    return {"name": value.name, "dtype": dtype, "shape": shape}


def _size(dimension: Any) -> int | str | None:  # noqa: ANN401 - TensorShapeProto.Dimension
    if dimension.WhichOneof("value") == "dim_value":
        return int(dimension.dim_value) if dimension.dim_value > 0 else None
    name = str(dimension.dim_param)
    return None if name in NAMELESS else name


def _graphs(proto: Any) -> Iterator[Any]:  # noqa: ANN401 - protobuf
    """The main graph, every subgraph and every function's body, each once."""
    stack = [proto.graph, *proto.functions]
    while stack:
        graph = stack.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    stack.append(attribute.g)
                stack.extend(attribute.graphs)


def _operator(node: Any) -> str:  # noqa: ANN401 - NodeProto
    return f"{node.domain}::{node.op_type}" if node.domain not in ("", "ai.onnx") else str(node.op_type)


def _unsupported(name: str, kind: str, what: str) -> UsageError:
    return UsageError(
        f"the {kind} {name!r} is {what}; inputs and outputs must be tensors of numbers that numpy can hold",
        code="model.unsupported-type",
        fix="export the network without this part (tokenisers, label maps), with float32 or integer tensors",
    )


def _corrupt(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} cannot be parsed as ONNX: truncated or corrupt ({reason[:200]})",
        code="model.corrupt",
        fix="copy or export the model again and compare its checksum with the original's",
    )


def _invalid(path: Path, reason: str) -> UsageError:
    return UsageError(
        f"{path} is not a valid model: {reason}", code="model.invalid", fix="export the model again"
    )
