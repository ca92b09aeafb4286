"""Inside the sandbox: read a .tflite file without trusting it, and let LiteRT say whether it can run.

Nothing but the standard library reads the file first. Where this interpreter has no LiteRT, the reference run
is the first to load it.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from pathlib import Path
from typing import Any

from farm_agent import tflite_file, tflite_precisions
from farm_agent.errors import UsageError
from farm_agent.tflite_file import File, Tensor
from farm_converters.tflite_operators import CUSTOM, name_of

# TensorType to numpy's name: only what numpy can carry
DTYPES = {
    0: "float32", 1: "float16", 2: "int32", 3: "uint8", 4: "int64", 6: "bool", 7: "int16", 9: "int8",
    10: "float64", 12: "uint64", 15: "uint32", 16: "uint16",
}  # fmt: skip
OTHERS = {5: "string", 8: "complex64", 11: "complex128", 13: "resource", 14: "variant", 17: "int4"}
AGAIN = "export the model again with LiteRT's or TensorFlow's converter"
CHUNK = 1 << 20


def inspect(request: dict[str, Any], _workdir: Path) -> dict[str, Any]:
    """Everything ``Model`` holds, as JSON. Raises UsageError model.*."""
    path = Path(request["path"])
    file = parse(path)
    main = file.graphs[0]
    operators = [name_of(op.code, op.custom) for graph in file.graphs for op in graph.operators]
    _refuse_unknown(path, file)
    inputs = [_tensor(main.tensors[index], "input") for index in main.inputs]
    outputs = [_tensor(main.tensors[index], "output") for index in main.outputs]
    _refuse_unnamed(path, inputs, outputs)
    load(path)
    constants = [tensor for graph in file.graphs for tensor in graph.tensors if tensor.constant]
    return {
        "sha256": digest(path),
        "size_bytes": path.stat().st_size,
        "inputs": inputs,
        "outputs": outputs,
        "opsets": {},
        "ir_version": file.version,
        "operators": dict(Counter(operators).most_common()),
        "parameters": sum(math.prod(tensor.shape) for tensor in constants),
        "producer": file.description[:100],
        "caveats": _caveats(file),
        "precision": precision(path),
    }


def parse(path: Path) -> File:
    """Raises UsageError model.corrupt, model.invalid."""
    try:
        file = tflite_file.read(path)
    except tflite_file.Malformed as error:
        raise UsageError(
            f"{path} cannot be parsed as TFLite: truncated or corrupt ({error})",
            code="model.corrupt",
            fix="copy or export the model again and compare its checksum with the original's",
        ) from error
    if not file.graphs:
        raise _invalid(path, "it holds no graph")
    if not file.graphs[0].outputs or any(index < 0 for graph in file.graphs for index in graph.outputs):
        raise _invalid(path, "it has no outputs")
    if any(index < 0 for index in file.graphs[0].inputs):
        raise _invalid(path, "an input is not there")
    return file


def precision(path: Path) -> str:
    """The reduced precision that the file itself holds: "int8", "fp16" or ""."""
    proof = tflite_precisions.proof(path, "")
    if proof is None:
        return ""
    if proof.executed == "int8" or proof.weighted.get("int8"):
        return "int8"
    return "fp16" if proof.weights.get("fp16", 0) > proof.weights.get("fp32", 0) else ""


def load(path: Path) -> None:
    """Let LiteRT take the model, if it is here. Raises UsageError model.unsupported-op, model.invalid."""
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError:
        return
    try:
        interpreter = Interpreter(model_path=str(path), num_threads=1)
        if not any(-1 in detail["shape_signature"] for detail in interpreter.get_input_details()):
            interpreter.allocate_tensors()
    except MemoryError:
        raise
    except Exception as error:
        raise refused(path, error) from error


def refused(path: Path, error: Exception) -> UsageError:
    """What LiteRT says, in our words."""
    text = " ".join(str(error).split())[:300]
    found = re.search(r"unresolved custom op: ([\w.-]+)|find op for builtin opcode '(\w+)'", text)
    if found:
        return _unsupported_op(path, found[1] or found[2])
    if "Select TensorFlow op" in text:
        return _unsupported_op(path, "TensorFlow's own operators (Flex)")
    return _invalid(path, f"LiteRT refuses it: {text}")


def digest(path: Path) -> str:
    """sha256 of the file."""
    sha = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            sha.update(chunk)
    return sha.hexdigest()


def _refuse_unknown(path: Path, file: File) -> None:
    for graph in file.graphs:
        for operator in graph.operators:
            name = name_of(operator.code, operator.custom)
            if operator.custom and name == operator.custom and name not in CUSTOM:
                raise _unsupported_op(path, name)


def _refuse_unnamed(path: Path, inputs: list[dict[str, Any]], outputs: list[dict[str, Any]]) -> None:
    """Inputs and outputs are told apart by name, everywhere."""
    for kind, items in (("inputs", inputs), ("outputs", outputs)):
        names = [item["name"] for item in items]
        if len(set(names)) < len(names) or "" in names:
            raise _invalid(path, f"its {kind} have no names of their own ({', '.join(names)})")


def _tensor(tensor: Tensor, kind: str) -> dict[str, Any]:
    dtype = DTYPES.get(tensor.kind)
    if dtype is None:
        what = OTHERS.get(tensor.kind, f"type {tensor.kind}")
        raise UsageError(
            f"the {kind} {tensor.name!r} is a {what} tensor; inputs and outputs must be tensors of numbers"
            " that numpy can hold",
            code="model.unsupported-type",
            fix="export the network without this part (tokenisers, label maps)",
        )
    shape = [None if size < 0 else size for size in tensor.signature]
    return {"name": tensor.name, "dtype": dtype, "shape": shape}


def _caveats(file: File) -> list[str]:
    found = []
    if file.signatures > 1:
        found.append(f"the file has {file.signatures} signatures; its main graph is what runs")
    if any(name_of(op.code, op.custom) == "VAR_HANDLE" for graph in file.graphs for op in graph.operators):
        found.append("the model keeps a state from one run to the next")
    if not file.graphs[0].inputs:
        found.append("the model has no inputs: every run computes the same")
    return found


def _unsupported_op(path: Path, name: str) -> UsageError:
    why = "which needs TensorFlow itself" if name.startswith("Flex") else "which LiteRT does not have"
    return UsageError(
        f"{path} needs {name}, {why}",
        code="model.unsupported-op",
        fix="export the model with TFLite's built-in operators only; a file compiled for an accelerator runs"
        " nowhere else: name the one that it was made from",
    )


def _invalid(path: Path, reason: str) -> UsageError:
    return UsageError(f"{path} is not a valid model: {reason}", code="model.invalid", fix=AGAIN)
