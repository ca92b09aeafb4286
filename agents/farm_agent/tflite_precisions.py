"""Which precision each operator of a .tflite file computes in, and how its weights are stored.

LiteRT computes every operator in the type of its tensors, its default delegate (XNNPACK) as well. An operator
with a float input and 8- or 4-bit weights quantises that input itself ("hybrid", "dynamic range") and
multiplies in 8 bits; where the weights pass a DEQUANTIZE first, they are only stored so.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Dict, Iterator, Optional, Set

from farm_agent import tflite_file
from farm_agent.tflite_file import Graph, Operator, Tensor
from farm_agent.trace import summarise
from farm_agent.wire import PrecisionProof

# TensorType: our word and the bits of an element
TYPES = {
    0: ("fp32", 32),
    1: ("fp16", 16),
    3: ("int8", 8),
    9: ("int8", 8),
    10: ("fp64", 64),
    17: ("int4", 4),
    18: ("bf16", 16),
    20: ("int4", 4),
    21: ("fp8", 8),
    22: ("fp8", 8),
}
# BuiltinOperator: CONV_2D, DEPTHWISE_CONV_2D, FULLY_CONNECTED, LSTM, RNN, SVDF, UNIDIRECTIONAL_SEQUENCE_RNN,
# UNIDIRECTIONAL_SEQUENCE_LSTM, BIDIRECTIONAL_SEQUENCE_RNN, BIDIRECTIONAL_SEQUENCE_LSTM, TRANSPOSE_CONV,
# BATCH_MATMUL, CONV_3D, CONV_3D_TRANSPOSE
WEIGHTED = frozenset([3, 4, 9, 16, 24, 27, 35, 44, 46, 52, 67, 126, 132, 141])
# CONCATENATION, DEQUANTIZE, RESHAPE, PAD, GATHER, TRANSPOSE, SQUEEZE, STRIDED_SLICE, SPLIT, CAST, PADV2,
# SLICE, TILE, EXPAND_DIMS, SHAPE, PACK, UNPACK, SPLIT_V, QUANTIZE
MOVERS = frozenset([2, 6, 22, 34, 36, 39, 43, 45, 49, 53, 60, 65, 69, 70, 77, 83, 88, 102, 114])
# EMBEDDING_LOOKUP, GATHER: tables that are looked up are stored weights, too.
TABLES = frozenset([7, 36])
# Constants reach an operator through these: DEQUANTIZE, RESHAPE, TRANSPOSE.
_THROUGH = frozenset([6, 22, 39])
_MAX_STEPS = 16


def proof(path: Path, source: str) -> Optional[PrecisionProof]:
    """Counts over every graph of the file. Raises ``tflite_file.Malformed``, OSError."""
    computing: Counter[str] = Counter()
    moving: Counter[str] = Counter()
    weighted: Counter[str] = Counter()
    weights: Counter[str] = Counter()
    for graph in tflite_file.read(path).graphs:
        makers = {index: operator for operator in graph.operators for index in operator.outputs}
        seen: Set[int] = set()
        for operator in graph.operators:
            precision = executed(graph, operator)
            (moving if operator.code in MOVERS else computing)[precision] += 1
            found = {
                index: graph.tensors[index]
                for index in constants(graph, operator, makers)
                if operator.code in WEIGHTED or operator.code in TABLES
            }
            if found and operator.code in WEIGHTED:
                weighted[precision] += 1
            for index in found.keys() - seen:
                weights[word(found[index])] += size_bytes(found[index])
            seen |= found.keys()
    del weights["other"]
    return summarise(computing, moving, source, weighted, weights)


def executed(graph: Graph, operator: Operator) -> str:
    """The type of its first output that counts; 8 bits where a weighted operator is hybrid."""
    written = [word(graph.tensors[index]) for index in operator.outputs if index >= 0]
    real = [name for name in written if name != "other"]
    if operator.code in WEIGHTED and real and real[0].startswith("fp"):
        read = [graph.tensors[index] for index in operator.inputs if index >= 0]
        if any(tensor.constant and word(tensor) in ("int8", "int4") for tensor in read):
            return "int8"
    return real[0] if real else "other"


def constants(graph: Graph, operator: Operator, makers: Dict[int, Operator]) -> Iterator[int]:
    """The stored tensors of two and more dimensions that reach an operator; biases have one."""
    for index in operator.inputs:
        origin = _origin(graph, index, makers)
        if origin >= 0 and len(graph.tensors[origin].shape) >= 2:
            yield origin


def _origin(graph: Graph, index: int, makers: Dict[int, Operator]) -> int:
    """The constant that this tensor is made from by moving and widening alone; -1 for none."""
    for _ in range(_MAX_STEPS):
        if index < 0 or graph.tensors[index].constant:
            return index
        maker = makers.get(index)
        if maker is None or maker.code not in _THROUGH or not maker.inputs:
            return -1
        index = maker.inputs[0]
    return -1


def word(tensor: Tensor) -> str:
    """Our word for its type; "other" for those that count or index."""
    return TYPES.get(tensor.kind, ("other", 0))[0]


def size_bytes(tensor: Tensor) -> int:
    """Of its elements, 4-bit ones packed by two."""
    elements = 1
    for size in tensor.shape:
        elements *= size
    return (elements * TYPES.get(tensor.kind, ("other", 0))[1] + 7) // 8
