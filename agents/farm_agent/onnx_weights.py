"""In which types the weights of an ONNX file are stored: what its convolutions and matrix products read."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Dict, Mapping, Optional, Set, Tuple

from farm_agent import onnx_file
from farm_agent.onnx_file import Constant, Graph, Node

# TensorProto.DataType: our word and bits of an element
TYPES = {
    1: ("fp32", 32), 2: ("int8", 8), 3: ("int8", 8), 4: ("other", 16), 5: ("other", 16), 6: ("other", 32),
    7: ("other", 64), 10: ("fp16", 16), 11: ("fp64", 64), 12: ("other", 32), 13: ("other", 64),
    16: ("bf16", 16), 17: ("fp8", 8), 18: ("fp8", 8), 19: ("fp8", 8), 20: ("fp8", 8), 21: ("int4", 4),
    22: ("int4", 4), 23: ("other", 4),
}  # fmt: skip
# Which inputs of an operator are its weights.
WEIGHTS: Dict[str, Tuple[int, ...]] = {
    "Conv": (1,),
    "FusedConv": (1,),
    "ConvTranspose": (1,),
    "ConvInteger": (1,),
    "QLinearConv": (3,),
    "MatMul": (0, 1),
    "FusedMatMul": (0, 1),
    "Gemm": (0, 1),
    "MatMulInteger": (0, 1),
    "MatMulIntegerToFloat": (1,),
    "DynamicQuantizeMatMul": (1,),
    "QLinearMatMul": (0, 3),
    "QGemm": (3,),
    "MatMulNBits": (1,),
    "Attention": (1,),
    "QAttention": (1,),
    "LSTM": (1, 2),
    "GRU": (1, 2),
    "RNN": (1, 2),
    "DynamicQuantizeLSTM": (1, 2),
    "Gather": (0,),
    "GatherBlockQuantized": (0,),
}
# Constants reach an operator through these, by their first input.
_THROUGH = frozenset(
    ["DequantizeLinear", "QuantizeLinear", "Cast", "Transpose", "Reshape", "Identity", "Squeeze", "Unsqueeze"]
)
_MAX_STEPS = 16


def stored(path: Path) -> Tuple[Dict[str, int], Set[int]]:
    """Bytes of the weights by type, and every accuracy_level of the file's block-quantised products (4: they
    may multiply in 8 bits).

    Raises ``onnx_file.Malformed``, OSError.
    """
    graphs = onnx_file.read(path)
    total: Counter[str] = Counter()
    outer: Dict[str, Constant] = {}
    for graph in graphs:
        outer.update(graph.constants)
    for graph in graphs:
        total.update(_of_graph(graph, outer))
    levels = {
        node.integers.get("accuracy_level", 0)
        for graph in graphs
        for node in graph.nodes
        if node.op_type == "MatMulNBits"
    }
    return dict(total), levels


def _of_graph(graph: Graph, constants: Mapping[str, Constant]) -> Counter[str]:
    """Each constant counts once, however many operators read it."""
    makers = {name: node for node in graph.nodes for name in node.outputs}
    found: Counter[str] = Counter()
    seen = set()
    for node in graph.nodes:
        for position in WEIGHTS.get(node.op_type, ()):
            name = _origin(node, position, makers, constants)
            if name is None or name in seen or constants[name].rank < 2:
                continue
            seen.add(name)
            word, size = _size(constants[name], node)
            if word != "other":
                found[word] += size
    return found


def _origin(
    node: Node, position: int, makers: Mapping[str, Node], constants: Mapping[str, Constant]
) -> Optional[str]:
    """Name of the constant that reaches this input, if one does."""
    if position >= len(node.inputs):
        return None
    name = node.inputs[position]
    for _ in range(_MAX_STEPS):
        if name in constants:
            return name
        maker = makers.get(name)
        if maker is None or maker.op_type not in _THROUGH or not maker.inputs:
            return None
        name = maker.inputs[0]
    return None


def _size(constant: Constant, node: Node) -> Tuple[str, int]:
    """Block-quantised operators pack two 4-bit numbers into a byte."""
    word, bits = TYPES.get(constant.data_type, ("other", 8))
    if node.op_type in ("MatMulNBits", "GatherBlockQuantized") and word == "int8":
        return ("int4" if node.integers.get("bits", 4) == 4 else "int8"), constant.elements
    return word, (constant.elements * bits + 7) // 8
