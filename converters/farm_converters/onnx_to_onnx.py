"""ONNX to ONNX: shapes fixed, simplified, self-contained; optionally in float16, 8 or 4 bits."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm_agent import precisions
from farm_agent.errors import JobError
from farm_converters import (
    exclude,
    graph,
    quantise_io,
    quantise_onnx,
    quantise_onnx_dynamic,
    quantise_onnx_weights,
    quantised,
)
from farm_converters.simplify import slim

WHERE = "host"
ENVIRONMENT = "onnx"
RUNTIME = "onnxruntime"
OPTIONS = ("activations", "symmetric", "bias", "granularity", "method", "io")
# "slim" folds constants and drops dead nodes; "plain" only fixes shapes, for models that slim breaks;
# "free" leaves sizes open, for models with a branch that does not fit them;
# "mixed" keeps in float32 what float16 cannot hold: normalisation, (de)quantisation, control flow
RUNGS = {
    "fp32": ("slim", "plain", "free"),
    "fp16": ("slim", "plain", "mixed"),
    # "weighted" quantises nothing but convolutions and matrix products; "prepared" starts from what ONNX
    # Runtime's own preparation gives
    "int8": ("slim", "weighted", "prepared", "plain"),
    "int8-dynamic": ("slim", "plain"),
    "int8-weights": ("slim", "plain"),
    # "products": 4 bits in matrix products alone, 8 in convolutions and recurrent cells
    "int4-weights": ("slim", "products", "plain"),
}
MIXED = [
    "BatchNormalization", "InstanceNormalization", "LayerNormalization", "ReduceMean", "ReduceSum", "Pow",
    "Sqrt", "Exp", "Log", "Softmax", "LogSoftmax", "QuantizeLinear", "DequantizeLinear", "If", "Loop", "Scan",
    "LSTM", "GRU", "RNN",
]  # fmt: skip

QUANTISED = frozenset(
    ["QuantizeLinear", "DynamicQuantizeLinear", "QLinearConv", "QLinearMatMul", "ConvInteger"]
)


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write model.onnx into ``workdir``. Raises JobError convert.unsupported, convert.too-large,
    convert.nothing-to-quantise, convert.exclude-unknown, convert.option, convert.calibration-fails."""
    import onnx

    source = onnx.load(request["model"])
    names = exclude.select(source, request["exclude"])
    model = _prepared(request, workdir)
    names = exclude.surviving(source, model, names)
    model, caveats = _reduced(request, model, names, workdir)
    if names:
        caveats.append(f"{len(names)} nodes stay in floats as asked")
    graph.clean(model)
    graph.sort(model.graph)
    graph.set_versions(model)
    if precisions.of(request["precision"]).quantised:
        del model.graph.value_info[:]  # in a small network it would weigh more than the weights
    else:
        model = graph.infer(model)
    integers, floats = _integer_io(request, model)
    caveats += [f"{name} stays in floats: it is not quantised as a whole" for name in floats]
    folder = workdir / "out"
    folder.mkdir()
    graph.save(model, folder / "model.onnx")
    return {
        "files": ["model.onnx"],
        "inputs": [
            {**item, "permutation": None, **integers.get(item["name"], {})} for item in request["inputs"]
        ],
        "outputs": [
            {"name": item["name"], "permutation": None, **integers.get(item["name"], {})}
            for item in request["outputs"]
        ],
        "caveats": caveats,
    }


def _integer_io(request: dict[str, Any], model: Any) -> tuple[dict[str, Any], list[str]]:  # noqa: ANN401
    """dtype, scale and zero point per input and output that became integer, where that was asked for."""
    if not quantise_onnx.integer_io(request["options"], request["precision"]):
        return {}, []
    found, floats = quantise_io.integer_io(model)
    return {name: vars(integers) for name, integers in found.items()}, floats


def _prepared(request: dict[str, Any], workdir: Path) -> Any:  # noqa: ANN401 - ModelProto
    """What the rung starts from, read anew."""
    import onnx

    rung = request["rung"]
    if rung == "prepared":
        return quantise_onnx.pre_processed(Path(request["model"]), workdir)
    model = onnx.load(request["model"])
    if rung == "free":
        graph.free_inputs(model)
    return graph.infer(slim(model)) if rung in ("slim", "weighted", "products") else model


def _reduced(
    request: dict[str, Any],
    model: Any,  # noqa: ANN401 - ModelProto
    names: list[str],
    workdir: Path,
) -> tuple[Any, list[str]]:
    """The model at the precision asked, and what is worth knowing of it."""
    precision = request["precision"]
    if precision == "fp16":
        return to_float16(model, mixed=request["rung"] == "mixed", keep=names), []
    if precision == "fp32":
        return model, _caveats(request, model)
    if graph.operators(model) & QUANTISED:
        return _kept(model, precision)
    _refuse_float16(model)
    if precision == "int8":
        style = quantise_onnx.Style.of(request["options"], only_weighted=request["rung"] == "weighted")
        inputs = [item["name"] for item in request["inputs"]]
        calibration = Path(request["calibration"])
        model = quantise_onnx.quantise(model, calibration, inputs, style, exclude=names, workdir=workdir)
    elif precision == "int8-dynamic":
        model = quantise_onnx_dynamic.quantise(model, exclude=names, workdir=workdir)
    else:
        bits = 8 if precision == "int8-weights" else 4
        eights = quantise_onnx_weights.NO_PRODUCTS if request["rung"] == "products" else ()
        model = quantise_onnx_weights.quantise(model, bits, exclude=names, eights=eights)
        return model, quantised.stored_caveats(model, bits)
    quantised.refuse_none(quantised.share_of(model))
    return model, []


def _kept(model: Any, precision: str) -> tuple[Any, list[str]]:  # noqa: ANN401 - ModelProto
    """A source that holds 8-bit operators itself, as int8 alone."""
    if precision != "int8":
        raise JobError(
            f"the source is quantised to 8 bits already; it cannot become {precision}",
            code="convert.unsupported",
            fix="ask for int8, or quantise the float32 network that it was made from",
        )
    return model, ["the source is quantised already; it is kept as it is"]


def _caveats(request: dict[str, Any], model: Any) -> list[str]:  # noqa: ANN401 - ModelProto
    found = []
    if request["rung"] == "free":
        found.append("sizes are left open in the file: with fixed ones ONNX Runtime does not load it")
    if graph.uses_float16(model):
        found.append("the source itself computes in float16; it is kept so")
    return found


def _refuse_float16(model: Any) -> None:  # noqa: ANN401 - ModelProto
    if graph.uses_float16(model):
        raise JobError(
            "the source computes in float16, which the quantisers do not read",
            code="convert.unsupported",
            fix="export the network in float32, then quantise it",
        )


def to_float16(model: Any, *, mixed: bool, keep: Sequence[str] = ()) -> Any:  # noqa: ANN401 - ModelProto
    """Weights and arithmetic in float16 but for the nodes ``keep``; inputs and outputs as they were."""
    from onnxruntime.transformers.float16 import DEFAULT_OP_BLOCK_LIST, convert_float_to_float16

    from farm_converters import external

    if not any(tensor.data_type == graph.FLOAT for tensor in external.tensors(model)):
        if graph.uses_float16(model):
            return model
        raise JobError(
            "the model has no float32 weights that float16 could replace",
            code="convert.unsupported",
            fix="ask for fp32: the model runs as it is",
        )
    blocked = [*DEFAULT_OP_BLOCK_LIST, *MIXED] if mixed else None
    return convert_float_to_float16(
        model, keep_io_types=True, op_block_list=blocked, node_block_list=list(keep) or None
    )
