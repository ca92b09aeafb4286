"""Inside the sandbox: ONNX with weights in int8 and activations quantised at run time, by their own range.

Matrix products, attention and LSTM only: the kernel for convolutions (ConvInteger) is several times slower
than float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm_converters import graph

TYPES = ("MatMul", "Gemm", "Attention", "LSTM", "Gather", "EmbedLayerNormalization")


def quantise(model: Any, *, exclude: Sequence[str], workdir: Path) -> Any:  # noqa: ANN401 - ModelProto
    """A new model; nodes named in ``exclude`` stay in floats."""
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    before, after = workdir / "floats.onnx", workdir / "dynamic.onnx"
    graph.save(model, before)
    quantize_dynamic(
        str(before),
        str(after),
        op_types_to_quantize=list(TYPES),
        per_channel=True,
        weight_type=QuantType.QInt8,
        nodes_to_exclude=list(exclude),
    )
    return onnx.load(str(after))
