"""ONNX to ONNX: shapes fixed, simplified, self-contained; optionally computing in float16."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import graph

WHERE = "host"
ENVIRONMENT = "onnx"
RUNTIME = "onnxruntime"
# "slim" folds constants and drops dead nodes; "plain" only fixes shapes, for models that slim breaks
RUNGS = {"fp32": ("slim", "plain"), "fp16": ("slim", "plain")}


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write model.onnx into ``workdir``. Raises JobError convert.unsupported, convert.too-large."""
    import onnx

    model = onnx.load(request["model"])
    if request["rung"] == "slim":
        model = slim(model)
    if request["precision"] == "fp16":
        model = to_float16(model)
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
        "caveats": [],
    }


def slim(model: Any) -> Any:  # noqa: ANN401 - ModelProto
    """Simplified by onnxslim, which keeps inputs, outputs and opset. Raises whatever it trips over."""
    import onnxslim

    opsets = [(entry.domain, entry.version) for entry in model.opset_import]
    names = [value.name for value in (*model.graph.input, *model.graph.output)]
    result = onnxslim.slim(model)
    if result is None or [value.name for value in (*result.graph.input, *result.graph.output)] != names:
        raise JobError("onnxslim changed the model's inputs or outputs", code="convert.failed")
    versions = dict(opsets)
    for entry in result.opset_import:
        if versions.get(entry.domain, entry.version) != entry.version:
            raise JobError("onnxslim changed the opset", code="convert.failed")
    return result


def to_float16(model: Any) -> Any:  # noqa: ANN401 - ModelProto
    """Weights and arithmetic in float16, inputs and outputs as they were."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    if not any(tensor.data_type == graph.FLOAT for tensor in _weights(model)):
        raise JobError(
            "the model has no float32 weights that float16 could replace",
            code="convert.unsupported",
            fix="ask for fp32: the model runs as it is",
        )
    return convert_float_to_float16(model, keep_io_types=True)


def _weights(model: Any) -> Any:  # noqa: ANN401 - ModelProto
    from farm_converters import external

    return external.tensors(model)
