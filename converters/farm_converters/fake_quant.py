"""TensorFlow's FakeQuant operators as QuantizeLinear and DequantizeLinear, inside the keras environment.

A range [min, max] of 8 bits becomes scale and zero point as TensorFlow nudges them (Jacob et al. 2018,
section 3): the zero point is the step nearest to 0. Steps count from -128, or from -127 for a narrow range.
Weights are stored as int8, and a batch normalisation that follows them goes into their scales, so that
runtimes see quantised convolutions.
"""

from __future__ import annotations

from typing import Any

OPERATORS = ("FakeQuantWithMinMaxVars", "FakeQuantWithMinMaxArgs", "FakeQuantWithMinMaxVarsPerChannel")
BITS = 8
_FOLDABLE = ("Conv", "ConvTranspose")


def handlers() -> dict[str, tuple[Any, list[Any]]]:
    """For tf2onnx's ``custom_op_handlers``."""
    return {name: (_convert, []) for name in OPERATORS}


def nudged(low: Any, high: Any, *, narrow: bool) -> tuple[Any, Any]:  # noqa: ANN401 - numpy arrays
    """Scale (float32) and zero point (int8) of the ranges [low, high]."""
    import numpy as np

    first, last = (-127 if narrow else -128), 127
    low, high = np.minimum(np.asarray(low, np.float64), 0.0), np.maximum(np.asarray(high, np.float64), 0.0)
    scale = (high - low) / (last - first)
    scale = np.where(scale <= 0, 1.0, scale)
    zero = np.clip(np.round(first - low / scale), first, last)
    return scale.astype(np.float32), zero.astype(np.int8)


def _convert(ctx: Any, node: Any, _name: str, _args: list[Any]) -> Any:  # noqa: ANN401 - tf2onnx
    import numpy as np
    import tf2onnx
    from onnx import TensorProto

    bits, narrow = node.get_attr_value("num_bits", BITS), bool(node.get_attr_value("narrow_range", 0))
    if bits != BITS:
        raise ValueError(f"FakeQuant of {bits} bits has no ONNX operator here; {BITS} bits have")
    scale, zero = nudged(*_range(node), narrow=narrow)
    shape, dtype, outputs = ctx.get_shape(node.output[0]), ctx.get_dtype(node.output[0]), node.output
    source, constant = node.input[0], node.inputs[0]
    attr = {"axis": len(shape) - 1} if scale.ndim else {}
    name = tf2onnx.utils.make_name
    parts = [ctx.make_const(name(f"{node.name}_{word}"), value).output[0]
             for word, value in (("scale", scale), ("zero", zero))]  # fmt: skip
    ctx.remove_node(node.name)
    if constant.is_const():
        weights = np.asarray(constant.get_tensor_value(as_list=False))
        steps = np.clip(np.round(weights / scale) + zero, -127 if narrow else -128, 127).astype(np.int8)
        stored = ctx.make_const(name(f"{node.name}_int8"), steps).output[0]
    else:
        stored = ctx.make_node(
            "QuantizeLinear", [source, *parts], attr=attr, shapes=[shape], dtypes=[TensorProto.INT8]
        ).output[0]
    return ctx.make_node(
        "DequantizeLinear",
        [stored, *parts],
        attr=attr,
        outputs=outputs,
        name=node.name,
        shapes=[shape],
        dtypes=[dtype],
    )


def _range(node: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf2onnx
    if node.type == "FakeQuantWithMinMaxArgs":
        return node.get_attr_value("min", -6.0), node.get_attr_value("max", 6.0)
    low, high = (node.inputs[index].get_tensor_value(as_list=False) for index in (1, 2))
    return low, high
