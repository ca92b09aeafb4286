"""Inside the sandbox: an ONNX model over a data set, unoptimised, like the reference of every check."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

ENVIRONMENT = "onnx"


def run(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write outputs.npz; answer count, runtime and seconds. Raises JobError convert.source-fails, data.*."""
    import onnxruntime as ort

    from farm_converters import evaluate

    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    try:
        session = ort.InferenceSession(request["model"], options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise _fails(error) from error
    inputs = [item["name"] for item in request["inputs"]]
    names = [node.name for node in session.get_outputs()]

    def infer(arrays: list[Any]) -> list[Any]:
        try:
            return list(session.run(names, dict(zip(inputs, arrays, strict=True))))
        except Exception as error:
            raise _fails(error) from error

    began = time.monotonic()
    count = evaluate.over_samples(request, workdir, infer)
    return {
        "count": count,
        "runtime": f"onnxruntime {ort.__version__}",
        "seconds": time.monotonic() - began,
    }


def _fails(error: Exception) -> Exception:
    text = " ".join(str(error).split())
    if "bad_alloc" in text or "Failed to allocate memory" in text:
        return MemoryError(text)
    return JobError(
        f"ONNX Runtime cannot run the source model on these samples: {text[:400]}",
        code="convert.source-fails",
        fix="look at the values of the samples: indices must lie in the model's tables",
    )
