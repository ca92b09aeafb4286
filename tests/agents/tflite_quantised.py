"""A LiteRT model, written by hand: one FULLY_CONNECTED whose weights are stored in several ways."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 64
WAYS = ("floats", "hybrid", "hybrid-4", "weights", "halves", "whole")


def write_dense(path: Path, way: str) -> Path:
    """y = x @ w.T with x [1, 64].

    ``floats``; ``hybrid``, ``hybrid-4``: integer weights read directly; ``weights``, ``halves``: int8 or
    float16 ones behind a DEQUANTIZE; ``whole``: int8 throughout, inputs and outputs too.
    """
    # Generated code without types.
    flatbuffers: Any = importlib.import_module("flatbuffers")
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")
    kinds = schema.TensorType
    steps = np.random.default_rng(0).integers(-7, 8, (SIZE, SIZE)).astype(np.int8)
    stored, kind = {
        "floats": ((steps / np.float32(64)).astype(np.float32).tobytes(), kinds.FLOAT32),
        "halves": ((steps / np.float32(64)).astype(np.float16).tobytes(), kinds.FLOAT16),
        "hybrid-4": (_packed(steps), kinds.INT4),
    }.get(way, (steps.tobytes(), kinds.INT8))
    model = schema.ModelT()
    model.version, model.description = 3, "dense"
    codes = schema.BuiltinOperator
    model.operatorCodes = [_code(schema, codes.FULLY_CONNECTED), _code(schema, codes.DEQUANTIZE)]
    model.buffers = [_buffer(schema, b""), _buffer(schema, stored)]
    outer = kinds.INT8 if way == "whole" else kinds.FLOAT32
    graph = schema.SubGraphT()
    graph.name = b"main"
    graph.tensors = [
        _tensor(schema, "x", [1, SIZE], 0, outer),
        _tensor(schema, "w", [SIZE, SIZE], 1, kind),
        _tensor(schema, "y", [1, SIZE], 0, outer),
    ]
    graph.inputs, graph.outputs = [0], [2]
    widened = way in ("weights", "halves")
    if widened:
        graph.tensors.append(_tensor(schema, "w_float", [SIZE, SIZE], 0, kinds.FLOAT32))
    dense = _operator(schema, 0, [0, 3 if widened else 1, -1], [2])
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    graph.operators = [*([_operator(schema, 1, [1], [3])] if widened else []), dense]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _packed(steps: Any) -> bytes:
    """Two 4-bit numbers to a byte, the first one low."""
    pairs = steps.reshape(-1, 2) & 0x0F
    return bytes((pairs[:, 0] | (pairs[:, 1] << 4)).astype(np.uint8))


def _code(schema: Any, builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = builtin
    code.version = 12 if builtin == schema.BuiltinOperator.FULLY_CONNECTED else 1
    return code


def _buffer(schema: Any, data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = list(data) or None
    return buffer


def _tensor(schema: Any, name: str, shape: list[int], buffer: int, kind: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name.encode(), shape, buffer, kind
    if kind in (schema.TensorType.INT8, schema.TensorType.INT4):
        tensor.quantization = schema.QuantizationParametersT()
        tensor.quantization.scale = [1 / 64 if name == "w" else 1 / 16]
        tensor.quantization.zeroPoint = [0]
    return tensor


def _operator(schema: Any, index: int, inputs: list[int], outputs: list[int]) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = index, inputs, outputs
    return operator
