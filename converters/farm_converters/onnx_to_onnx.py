"""ONNX to ONNX: shapes fixed, simplified, self-contained; optionally computing in float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import graph
from farm_converters.simplify import slim

WHERE = "host"
ENVIRONMENT = "onnx"
RUNTIME = "onnxruntime"
# "slim" folds constants and drops dead nodes; "plain" only fixes shapes, for models that slim breaks;
# "free" leaves sizes open, for models with a branch that does not fit them;
# "mixed" keeps in float32 what float16 cannot hold: normalisation, (de)quantisation, control flow
RUNGS = {"fp32": ("slim", "plain", "free"), "fp16": ("slim", "plain", "mixed")}
MIXED = [
    "BatchNormalization", "InstanceNormalization", "LayerNormalization", "ReduceMean", "ReduceSum", "Pow",
    "Sqrt", "Exp", "Log", "Softmax", "LogSoftmax", "QuantizeLinear", "DequantizeLinear", "If", "Loop", "Scan",
    "LSTM", "GRU", "RNN",
]  # fmt: skip


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write model.onnx into ``workdir``. Raises JobError convert.unsupported, convert.too-large."""
    import onnx

    model = onnx.load(request["model"])
    if request["rung"] == "slim":
        model = slim(model)
    caveats = []
    if request["rung"] == "free":
        graph.free_inputs(model)
        caveats.append("sizes are left open in the file: with fixed ones ONNX Runtime does not load it")
    if request["precision"] == "fp16":
        model = to_float16(model, mixed=request["rung"] == "mixed")
    elif graph.uses_float16(model):
        caveats.append("the source itself computes in float16; it is kept so")
    graph.clean(model)
    graph.set_versions(model)
    model = graph.infer(model)
    folder = workdir / "out"
    folder.mkdir()
    graph.save(model, folder / "model.onnx")
    return {
        "files": ["model.onnx"],
        "inputs": [{**item, "permutation": None} for item in request["inputs"]],
        "outputs": [{"name": item["name"], "permutation": None} for item in request["outputs"]],
        "caveats": caveats,
    }


def to_float16(model: Any, *, mixed: bool) -> Any:  # noqa: ANN401 - ModelProto
    """Weights and arithmetic in float16, inputs and outputs as they were."""
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
    return convert_float_to_float16(model, keep_io_types=True, op_block_list=blocked)
