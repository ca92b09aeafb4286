"""Inside the sandbox: simplify an ONNX graph without changing what it computes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import graph


def simplify(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write simplified.onnx for the rung "slim" or "folded", for edges whose own environment lacks ONNX."""
    import onnx

    model = onnx.load(request["model"])
    model = fold(model, workdir) if request["rung"] == "folded" else slim(model)
    graph.clean(model)
    path = workdir / "simplified.onnx"
    graph.save(graph.infer(model), path)
    return {"model": str(path)}


def slim(model: Any) -> Any:  # noqa: ANN401 - ModelProto
    """Simplified by onnxslim, which keeps inputs, outputs and opset. Raises whatever it trips over."""
    import onnxslim

    opsets = {entry.domain: entry.version for entry in model.opset_import}
    names = [value.name for value in (*model.graph.input, *model.graph.output)]
    result = onnxslim.slim(model)
    if result is None or [value.name for value in (*result.graph.input, *result.graph.output)] != names:
        raise JobError("onnxslim changed the model's inputs or outputs", code="convert.failed")
    if any(opsets.get(entry.domain, entry.version) != entry.version for entry in result.opset_import):
        raise JobError("onnxslim changed the opset", code="convert.failed")
    return result


def fold(model: Any, workdir: Path) -> Any:  # noqa: ANN401 - ModelProto
    """Constants folded by ONNX Runtime, which also inlines functions, and an If whose condition is known."""
    import onnx
    import onnxruntime as ort

    before, after = workdir / "unfolded.onnx", workdir / "folded.onnx"
    graph.save(model, before)
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(after)
    ort.InferenceSession(str(before), options, providers=["CPUExecutionProvider"])
    return onnx.load(str(after))
