"""Conversions by a line: of the tests' own models, and by an edge that misbehaves."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent.errors import FarmError
from farm_converters.convert import convert
from farm_converters.model import Model
from farm_converters.recipe import Artifact, Recipe
from tests.converters import made

EDGE = """
import os, time
from pathlib import Path

from farm_agent.errors import JobError

WHERE, ENVIRONMENT, RUNTIME = "host", "onnx", "onnxruntime"
RUNGS = {"fp32": ("only",)}

def convert(request, workdir):
    ACTION
    out = workdir / "out"
    out.mkdir()
    (out / "model.onnx").write_bytes(Path(request["model"]).read_bytes())
    return {"files": ["model.onnx"], "caveats": [],
            "inputs": [{**item, "permutation": None} for item in request["inputs"]],
            "outputs": [{"name": item["name"], "permutation": None} for item in request["outputs"]]}
"""


def odd_edge(folder: Path, action: str) -> Any:
    """An edge from ONNX to ONNX whose convert first does what ``action`` says."""
    return edge_of(folder, EDGE.replace("ACTION", action))


def edge_of(folder: Path, code: str) -> Any:
    """``code`` as an edge from ONNX to ONNX that lies outside of the package."""
    path = folder / "odd_edges" / "onnx_to_onnx.py"
    path.parent.mkdir()
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("odd_edges.onnx_to_onnx", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def run(model: Model, store: Path, recipe: Recipe | None = None, **options: Any) -> Artifact:
    return convert(
        model, recipe or Recipe("onnx"), store, report=options.pop("report", made.quiet), **options
    )


def failure(model: Model, store: Path, recipe: Recipe | None = None, **options: Any) -> FarmError:
    with pytest.raises(FarmError) as caught:
        run(model, store, recipe, **options)
    return caught.value


def outputs_of(artifact: Artifact) -> list[Any]:
    """What the artifact gives for golden sample 0."""
    import onnxruntime as ort

    assert artifact.golden_path is not None
    session = ort.InferenceSession(str(artifact.paths[0]), providers=["CPUExecutionProvider"])
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        feed = {node.name: data[f"in.0.{i}"] for i, node in enumerate(session.get_inputs())}
        outputs: list[Any] = session.run(None, feed)
        return outputs
