"""A small LiteRT model, written by hand: y = tanh(x @ w) with x float32 [1, 256]."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import numpy as np

SIZE = 256


def write_tflite(path: Path) -> Path:
    """One FULLY_CONNECTED, one TANH, one CUMSUM: the last is none that the default delegate takes."""
    # Generated code without types.
    flatbuffers: Any = importlib.import_module("flatbuffers")
    schema: Any = importlib.import_module("ai_edge_litert.schema_py_generated")

    model = schema.ModelT()
    model.version = 3
    model.description = "small"
    kinds = schema.BuiltinOperator
    codes = [kinds.FULLY_CONNECTED, kinds.TANH, kinds.CUMSUM]
    model.operatorCodes = [_code(schema, code) for code in codes]
    weights = (np.arange(SIZE * SIZE, dtype=np.float32).reshape(SIZE, SIZE) % 7 - 3) / 64
    model.buffers = [_buffer(schema, data) for data in (b"", weights.tobytes(), np.int32(1).tobytes())]
    graph = schema.SubGraphT()
    graph.name = b"main"
    floats, ints = schema.TensorType.FLOAT32, schema.TensorType.INT32
    graph.tensors = [
        _tensor(schema, "x", [1, SIZE], 0, floats),
        _tensor(schema, "w", [SIZE, SIZE], 1, floats),
        _tensor(schema, "h", [1, SIZE], 0, floats),
        _tensor(schema, "t", [1, SIZE], 0, floats),
        _tensor(schema, "axis", [], 2, ints),
        _tensor(schema, "y", [1, SIZE], 0, floats),
    ]
    graph.inputs, graph.outputs = [0], [5]
    dense = _operator(schema, 0, [0, 1, -1], [2])
    dense.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
    dense.builtinOptions = schema.FullyConnectedOptionsT()
    total = _operator(schema, 2, [3, 4], [5])
    total.builtinOptionsType = schema.BuiltinOptions.CumsumOptions
    total.builtinOptions = schema.CumsumOptionsT()
    graph.operators = [dense, _operator(schema, 1, [2], [3]), total]
    model.subgraphs = [graph]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def _code(schema: Any, builtin: int) -> Any:
    code = schema.OperatorCodeT()
    code.builtinCode = builtin
    code.deprecatedBuiltinCode = min(builtin, 127)
    code.version = 1
    return code


def _buffer(schema: Any, data: bytes) -> Any:
    buffer = schema.BufferT()
    buffer.data = list(data) or None
    return buffer


def _tensor(schema: Any, name: str, shape: list[int], buffer: int, kind: int) -> Any:
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name.encode(), shape, buffer, kind
    return tensor


def _operator(schema: Any, index: int, inputs: list[int], outputs: list[int]) -> Any:
    operator = schema.OperatorT()
    operator.opcodeIndex, operator.inputs, operator.outputs = index, inputs, outputs
    return operator
