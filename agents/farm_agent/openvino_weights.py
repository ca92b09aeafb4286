"""In which types the weights of an OpenVINO model are stored, read from the model as it lies in the file.

The compiled model does not tell: weights of convolutions are widened when it is compiled.
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Dict, FrozenSet, Optional, Set, Tuple

from farm_agent.trace import precision_of

# Which inputs of an operation are its weights.
WEIGHTS = {
    "Convolution": (1,),
    "GroupConvolution": (1,),
    "ConvolutionBackpropData": (1,),
    "GroupConvolutionBackpropData": (1,),
    "BinaryConvolution": (1,),
    "MatMul": (0, 1),
    "LSTMSequence": (4, 5),
    "LSTMCell": (3, 4),
    "GRUSequence": (3, 4),
    "GRUCell": (2, 3),
    "RNNSequence": (3, 4),
    "RNNCell": (2, 3),
    "Gather": (0,),
}
# From a stored constant to its operation: dequantisation, decompression, layout.
_THROUGH = frozenset(
    ["Convert", "Multiply", "Subtract", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "FakeQuantize"]
)
_MAX_STEPS = 16


def stored(model: Any) -> Tuple[Dict[str, int], FrozenSet[str]]:  # noqa: ANN401 - openvino.Model
    """Bytes of the weights by type, each constant once, and the names of the operations that carry them."""
    found: Counter[str] = Counter()
    seen: Set[str] = set()
    carriers: Set[str] = set()
    for layer in model.get_ops():
        for position in WEIGHTS.get(layer.get_type_name(), ()):
            constant = _origin(layer, position)
            if constant is None or len(constant.shape) < 2:
                continue
            if layer.get_type_name() != "Gather":
                carriers.add(str(layer.get_friendly_name()))
            if constant.get_name() in seen:
                continue
            seen.add(constant.get_name())
            kind = constant.get_element_type()
            word = precision_of(str(kind.get_type_name()))
            elements = 1
            for size in constant.shape:
                elements *= int(size)
            if word != "other":
                found[word] += (elements * int(kind.bitwidth) + 7) // 8
    return dict(found), frozenset(carriers)


def _origin(layer: Any, position: int) -> Optional[Any]:  # noqa: ANN401
    """The constant that reaches this input by the first inputs of its makers, if one does."""
    if position >= layer.get_input_size():
        return None
    node = layer.input_value(position).get_node()
    for _ in range(_MAX_STEPS):
        kind = node.get_type_name()
        if kind == "Constant":
            return node
        if kind not in _THROUGH or node.get_input_size() == 0:
            return None
        node = node.input_value(0).get_node()
    return None
