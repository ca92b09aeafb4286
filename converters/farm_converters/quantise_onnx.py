"""Inside the sandbox: ONNX in int8 with ranges from calibration, as QuantizeLinear/DequantizeLinear pairs.

Activations and weights are computed in 8 bits where the runtime has kernels; everything else stays in
float32. The quantiser is ONNX Runtime's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent import precisions
from farm_agent.errors import JobError
from farm_converters import graph

if TYPE_CHECKING:
    import numpy as np

QDQ_OPSET = 13  # DequantizeLinear has an axis from here on
AT_A_TIME = 16  # samples whose activations are in memory at once
REDUCE_RANGE = False  # 7 bits would avoid saturation on x86 before VNNI, and cost accuracy everywhere
METHODS = ("minmax", "entropy", "percentile")
BIAS = 2  # its place among the inputs of WEIGHTED
WEIGHTED = ("Conv", "ConvTranspose", "MatMul", "Gemm")
Feed = dict[str, "np.ndarray[Any, Any]"]


@dataclass(frozen=True)
class Style:
    """How to quantise. ``activations``: u8, fastest on x86; s8 for ARM and TensorRT.

    ``symmetric``: zero points are 0, as TensorRT wants. ``float_bias``: biases stay in float32, as it wants,
    too. ``only_weighted``: nothing but convolutions and matrix products. ``method``: of METHODS.
    """

    activations: str = "u8"
    symmetric: bool = False
    float_bias: bool = False
    per_channel: bool = True
    only_weighted: bool = False
    method: str = "minmax"

    @classmethod
    def of(cls, options: Mapping[str, str], *, only_weighted: bool = False) -> Style:
        """From a recipe's options. Raises JobError convert.option."""
        return cls(
            activations=choice(options, "activations", ("u8", "s8")),
            symmetric=choice(options, "symmetric", ("no", "yes")) == "yes",
            float_bias=choice(options, "bias", ("int32", "float")) == "float",
            per_channel=choice(options, "granularity", ("channel", "tensor")) == "channel",
            only_weighted=only_weighted,
            method=choice(options, "method", METHODS),
        )


# What TensorRT's parser reads: signed, zero points of 0, biases in float32.
TENSORRT = Style(activations="s8", symmetric=True, float_bias=True)


def choice(options: Mapping[str, str], key: str, known: Sequence[str]) -> str:
    """The option's value, or the first known one. Raises JobError convert.option."""
    value = options.get(key, known[0])
    if value not in known:
        raise JobError(
            f"the option {key} is {value!r}; it can be {' or '.join(known)}",
            code="convert.option",
            fix="correct it in --option, or in convert of the profile's target",
        )
    return value


def integer_io(options: Mapping[str, str], precision: str) -> bool:
    """Whether inputs and outputs become integers; in float precisions, which a target may have as well, they
    never do. Raises JobError convert.option in quantised ones that cannot."""
    asked = choice(options, "io", ("float", "int8")) == "int8"
    if asked and precisions.of(precision).quantised and precision != "int8":
        raise JobError(
            f"integer inputs and outputs (io = int8) need int8, not {precision}",
            code="convert.option",
            fix="ask for --precision int8, or leave io out of the options",
        )
    return asked and precision == "int8"


def quantise(
    model: Any,  # noqa: ANN401 - ModelProto
    calibration: Path,
    inputs: Sequence[str],
    style: Style,
    *,
    exclude: Sequence[str],
    workdir: Path,
) -> Any:  # noqa: ANN401 - ModelProto
    """``model`` in int8 but for the nodes ``exclude`` (its own names); ``inputs`` in the calibration's order.

    Raises JobError convert.unsupported, convert.calibration-fails.
    """
    model = with_own_biases(lifted(model, QDQ_OPSET))
    ranges = ranges_of(model, calibration, inputs, style, workdir)
    return with_ranges(model, ranges, style, exclude=exclude)


def lifted(model: Any, opset: int) -> Any:  # noqa: ANN401 - ModelProto
    """``model`` at ``opset`` or later. Raises JobError convert.unsupported when it cannot be lifted."""
    import onnx

    if opset_of(model) >= opset:
        return model
    try:
        return graph.infer(onnx.version_converter.convert_version(model, opset))
    except Exception as error:
        raise JobError(
            f"quantisation needs opset {opset}, and the model cannot be lifted from {opset_of(model)} to it: "
            f"{' '.join(str(error).split())[:200]}",
            code="convert.unsupported",
            fix=f"export the network at opset {opset} or later",
        ) from error


def with_own_biases(model: Any) -> Any:  # noqa: ANN401 - ModelProto
    """``model`` itself, where every node has a bias of its own, and a vector.

    The quantiser names copies of a shared one by appending a number, which may be the name of another
    tensor, and stumbles over Gemm's [1, N].
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)} | set(constants)
    for node in model.graph.node:
        bias = constants.get(node.input[BIAS]) if len(node.input) > BIAS else None
        if node.op_type not in WEIGHTED or bias is None or any(size != 1 for size in bias.dims[:-1]):
            continue
        name = f"{node.name}_bias"
        while name in taken:
            name += "_"
        taken.add(name)
        copy = model.graph.initializer.add()
        copy.CopyFrom(bias)
        copy.name = name
        del copy.dims[:-1]
        node.input[BIAS] = name
    used = {name for node in model.graph.node for name in graph.reads(node)}
    used |= {value.name for value in model.graph.output}
    for tensor in [tensor for tensor in model.graph.initializer if tensor.name not in used]:
        model.graph.initializer.remove(tensor)
    return model


def opset_of(model: Any) -> int:  # noqa: ANN401 - ModelProto
    """The version of the standard operators."""
    return max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)


def ranges_of(
    model: Any,  # noqa: ANN401 - ModelProto
    calibration: Path,
    inputs: Sequence[str],
    style: Style,
    workdir: Path,
) -> Any:  # noqa: ANN401 - TensorsData
    """The range of every activation over the samples. Raises JobError convert.calibration-fails."""
    from onnxruntime.quantization import CalibrationMethod, create_calibrator

    methods = {
        "minmax": CalibrationMethod.MinMax,
        "entropy": CalibrationMethod.Entropy,
        "percentile": CalibrationMethod.Percentile,
    }
    path = workdir / "to-calibrate.onnx"
    graph.save(model, path)
    try:
        calibrator = create_calibrator(
            path,
            op_types(style),
            augmented_model_path=str(workdir / "augmented.onnx"),
            calibrate_method=methods[style.method],
            extra_options={"symmetric": style.symmetric},
        )
        for chunk in _chunks(samples_of(calibration, inputs)):
            calibrator.collect_data(_Reader(chunk))
        return calibrator.compute_data()
    except MemoryError:
        raise
    except Exception as error:
        raise JobError(
            f"ONNX Runtime cannot learn ranges from the samples: {' '.join(str(error).split())[:300]}",
            code="convert.calibration-fails",
            fix="give samples like those the network was trained on; farm inspect MODEL lists the inputs",
        ) from error


def with_ranges(
    model: Any,  # noqa: ANN401 - ModelProto
    ranges: Any,  # noqa: ANN401 - TensorsData
    style: Style,
    *,
    exclude: Sequence[str] = (),
    only: Sequence[str] = (),
) -> Any:  # noqa: ANN401 - ModelProto
    """``model`` (left as it is) with pairs around every node, around ``only`` these, but for ``exclude``."""
    import copy

    from onnxruntime.quantization import QDQQuantizer, QuantType

    quantizer = QDQQuantizer(
        copy.deepcopy(model),
        style.per_channel,
        REDUCE_RANGE,
        QuantType.QInt8,
        QuantType.QInt8 if style.activations == "s8" else QuantType.QUInt8,
        ranges,
        list(only),
        list(exclude),
        op_types(style),
        {
            "ActivationSymmetric": style.symmetric,
            "WeightSymmetric": True,
            "QuantizeBias": not style.float_bias,
        },
    )
    quantizer.quantize_model()
    made = quantizer.model.model
    graph.sort(made.graph)  # the quantiser appends nodes without order, which other readers refuse
    return made


def op_types(style: Style) -> list[str]:
    """Types of operators that are quantised."""
    from onnxruntime.quantization.registry import QDQRegistry, QLinearOpsRegistry

    return sorted(WEIGHTED if style.only_weighted else {*QDQRegistry, *QLinearOpsRegistry})


def pre_processed(path: Path, workdir: Path) -> Any:  # noqa: ANN401 - ModelProto
    """The model with shapes inferred and constants folded by ONNX Runtime's own preparation."""
    import onnx
    from onnxruntime.quantization import quant_pre_process

    target = workdir / "pre-processed.onnx"
    try:
        quant_pre_process(str(path), str(target))
    except Exception:  # noqa: BLE001 - symbolic shapes fail in many ways; fixed ones need none
        quant_pre_process(str(path), str(target), skip_symbolic_shape=True)
    return onnx.load(str(target))


def samples_of(calibration: Path, inputs: Sequence[str]) -> Iterator[Feed]:
    """One feed after the other from a packed calibration file (see ``calibration``)."""
    import numpy as np

    with np.load(calibration, allow_pickle=False) as archive:
        arrays = {name: archive[f"in.{index}"] for index, name in enumerate(inputs)}
    for number in range(min(len(array) for array in arrays.values()) if arrays else 0):
        yield {name: np.asarray(array[number]) for name, array in arrays.items()}


def _chunks(feeds: Iterator[Feed]) -> Iterator[list[Feed]]:
    chunk: list[Feed] = []
    for feed in feeds:
        chunk.append(feed)
        if len(chunk) == AT_A_TIME:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


class _Reader:
    """ONNX Runtime's CalibrationDataReader, as far as calibrators use it."""

    def __init__(self, feeds: Sequence[Feed]) -> None:
        self._feeds = iter(feeds)

    def get_next(self) -> Feed | None:
        return next(self._feeds, None)
