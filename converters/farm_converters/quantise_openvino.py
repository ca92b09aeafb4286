"""Inside the sandbox: OpenVINO models in int8 and int4, by NNCF."""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import JobError
from farm_converters import quantised
from farm_converters.openvino_graph import Fused, renumber
from farm_converters.quantise_onnx import choice, samples_of

if TYPE_CHECKING:
    import numpy as np

GROUP = 32  # weights that share one scale, in int4; fewer where a layer has no multiple of it
METHODS = ("auto", "minmax", "percentile")
# Operations that come with weights, and which operands those may be
WEIGHTED = {
    **dict.fromkeys(("Convolution", "GroupConvolution", "ConvolutionBackpropData"), (1,)),
    "MatMul": (0, 1),
    "Gather": (0,),
    "LSTMSequence": (4, 5),
    "GRUSequence": (3, 4),
}
ON_INTEGERS = ("Convolution", "GroupConvolution", "ConvolutionBackpropData", "MatMul")
MOVES = ("Convert", "Subtract", "Multiply", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "FakeQuantize")
KEEPS = ("Reshape", "Transpose", "Squeeze", "Unsqueeze", "MaxPool", "Slice", "StridedSlice", "VariadicSplit")
SMALL = {"i8": 8, "u8": 8, "i4": 4, "u4": 4}


def silence() -> None:
    """Nothing is sent from here, and no progress bars. Before the first import of openvino or nncf."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment]


def quantise(fused: Fused, request: Mapping[str, Any], names: Sequence[str]) -> tuple[Any, list[str]]:
    """The model at the precision asked, and what is worth knowing of it; ``names``: of the inputs, in order.

    Raises JobError convert.nothing-to-quantise, convert.option, convert.calibration-fails.
    """
    import nncf

    nncf.set_log_level(logging.ERROR)
    model = fused.model
    uncalibrated = (
        request["precision"] == "int8" and not request["calibration"]
    )  # a source in int8 needs none
    if uncalibrated or _count(model, ("FakeQuantize",)):
        return model, ["the source is quantised already; it is kept as it is"]
    scope = nncf.IgnoredScope(names=sorted(fused.ignored), validate=False)
    if request["precision"] == "int8":
        made, caveats = _static(model, request, scope, names)
    else:
        made, caveats = _weights(model, 8 if request["precision"] == "int8-weights" else 4, scope)
    renumber(made, fused.named)
    if request["exclude"]:
        caveats.append(f"{len(request['exclude'])} exclusions keep operators in floats as asked")
    return made, caveats


def agrees(
    model: Any,  # noqa: ANN401 - openvino.Model
    request: Mapping[str, Any],
    inputs: Sequence[str],
    outputs: Sequence[str],
) -> bool:
    """Whether the float ``model`` gives the source's outputs on sample 0."""
    import numpy as np
    import openvino

    with np.load(request["golden"], allow_pickle=False) as golden:
        sample = {name: golden[f"in.0.{index}"] for index, name in enumerate(inputs)}
        wanted = {name: golden[f"out.0.{index}"].astype(np.float64) for index, name in enumerate(outputs)}
    compiled = openvino.Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    got = compiled(sample)
    return all(
        got[name].shape == want.shape
        and np.allclose(got[name], want, rtol=0.0, atol=1e-4 + 1e-3 * np.abs(want).max(initial=0.0))
        for name, want in wanted.items()
    )


def _static(
    model: Any,  # noqa: ANN401
    request: Mapping[str, Any],
    scope: Any,  # noqa: ANN401
    names: Sequence[str],
) -> tuple[Any, list[str]]:
    import nncf

    samples = list(_samples(model, Path(request["calibration"]), names))
    try:
        made = nncf.quantize(
            model,
            nncf.Dataset(samples),
            subset_size=len(samples),
            model_type=nncf.ModelType.TRANSFORMER if request["rung"] == "transformer" else None,
            ignored_scope=scope,
            advanced_parameters=_ranges(choice(request["options"], "method", METHODS)),
        )
    except MemoryError:
        raise
    except Exception as error:
        raise _fails("learn ranges from the samples", error) from error
    if not _count(made, ("FakeQuantize",)):
        raise quantised.nothing("NNCF found no operator of the model to quantise")
    found = [_computes_int8(*pair) for pair in _with_weights(made) if pair[0].get_type_name() in ON_INTEGERS]
    if not found:
        return made, ["the network has no operators with weights; others compute in int8"]
    return made, [f"{sum(found)} of {len(found)} operators with weights compute in int8"]


def _ranges(method: str) -> Any:  # noqa: ANN401 - nncf.AdvancedQuantizationParameters
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet as Known

    if method == "auto":
        return None
    chosen = Known.MINMAX if method == "minmax" else Known.MEAN_QUANTILE
    return nncf.AdvancedQuantizationParameters(activations_range_estimator_params=chosen)


def _samples(
    model: Any,  # noqa: ANN401
    calibration: Path,
    names: Sequence[str],
) -> Iterator[dict[str, np.ndarray[Any, Any]]]:
    """In the types that the model's inputs have, by their names."""
    dtypes = {port.get_any_name(): port.get_element_type().to_dtype() for port in model.inputs}
    for feed in samples_of(calibration, names):
        yield {name: array.astype(dtypes[name]) for name, array in feed.items()}


def _computes_int8(op: Any, weight: Any) -> bool:  # noqa: ANN401 - openvino.Node
    """Whether the weights are stored in 8 bits and the other operand was rounded to 8."""
    sources = [port.get_source_output().get_node() for port in op.inputs()[:2]]
    other = next((source for source in sources if _constant(source) is None), None)
    if other is None:  # a product of two constants
        return False
    while other.get_type_name() in KEEPS:
        other = other.input(0).get_source_output().get_node()
    return _bits(weight) == 8 and other.get_type_name() == "FakeQuantize"


def _weights(model: Any, bits: int, scope: Any) -> tuple[Any, list[str]]:  # noqa: ANN401
    import nncf

    four = {
        "mode": nncf.CompressWeightsMode.INT4_SYM,
        "group_size": GROUP,
        "ratio": 1.0,
        "all_layers": True,
        "advanced_parameters": nncf.AdvancedCompressionParameters(
            group_size_fallback_mode=nncf.GroupSizeFallbackMode.ADJUST
        ),
    }
    settings = {"mode": nncf.CompressWeightsMode.INT8_ASYM} if bits == 8 else four
    try:
        made = nncf.compress_weights(model, ignored_scope=scope, **settings)
    except MemoryError:
        raise
    except Exception as error:
        raise _fails("compress the weights", error) from error
    stored = _stored(made)
    total = sum(stored.values())
    if not stored.get(bits):
        raise quantised.nothing(f"no weights of the model could be stored in {bits} bits")
    parts = [f"{stored[size] / total:.0%} in {size} bits" for size in sorted(stored)]
    return made, [f"weights are stored {', '.join(parts)}"]


def _stored(model: Any) -> dict[int, int]:  # noqa: ANN401 - openvino.Model
    """Bits to how many weights have them."""
    found: dict[int, int] = {}
    seen: set[str] = set()
    for _, weight in _with_weights(model):
        if weight.get_friendly_name() not in seen:
            seen.add(weight.get_friendly_name())
            bits = _bits(weight)
            found[bits] = found.get(bits, 0) + math.prod(weight.get_output_shape(0))
    return found


def _bits(constant: Any) -> int:  # noqa: ANN401 - openvino.Node
    kind = constant.get_element_type()
    return SMALL.get(kind.get_type_name(), int(kind.size) * 8)


def _with_weights(model: Any) -> Iterator[tuple[Any, Any]]:  # noqa: ANN401 - openvino.Model
    """Every operation that multiplies by constants, with the constant."""
    for op in model.get_ops():
        for port in WEIGHTED.get(op.get_type_name(), ()):
            weight = _constant(op.input(port).get_source_output().get_node())
            if weight is not None:
                yield op, weight


def _constant(node: Any) -> Any:  # noqa: ANN401 - openvino.Node
    """The largest constant (scales and zero points are smaller) that alone makes ``node``, or None."""
    stack, largest = [node], None
    while stack:
        here = stack.pop()
        if here.get_type_name() == "Constant":
            if largest is None or math.prod(here.get_output_shape(0)) > math.prod(
                largest.get_output_shape(0)
            ):
                largest = here
        elif here.get_type_name() in MOVES:
            stack += [port.get_source_output().get_node() for port in here.inputs()]
        else:
            return None
    return largest


def _count(model: Any, types: Sequence[str]) -> int:  # noqa: ANN401 - openvino.Model
    return sum(op.get_type_name() in types for op in model.get_ops())


def _fails(what: str, error: Exception) -> Exception:
    text = " ".join(str(error).split())
    if "bad_alloc" in text:
        return MemoryError(text)
    return JobError(f"NNCF cannot {what}: {text[:400]}", code="convert.quantiser-fails")
