"""An artifact that does not keep its precision's promise is refused, although its outputs are right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from onnx import helper

from farm_agent.errors import JobError
from farm_converters import calibration
from farm_converters.convert import convert
from farm_converters.recipe import PRECISIONS, Recipe
from tests.converters import made
from tests.converters.converting import edge_of

EDGE = """
from pathlib import Path

WHERE, ENVIRONMENT, RUNTIME = "host", "onnx", "onnxruntime"
RUNGS = dict.fromkeys(PRECISIONS, ("copied", "quantised"))

def convert(request, workdir):
    out = workdir / "out"
    out.mkdir()
    if request["rung"] == "copied" or LIES:
        (out / "model.onnx").write_bytes(Path(request["model"]).read_bytes())
    else:
        from onnxruntime.quantization import QuantType, quantize_dynamic
        quantize_dynamic(request["model"], out / "model.onnx", weight_type=QuantType.QInt8,
                         op_types_to_quantize=["MatMul"])
    return {"files": ["model.onnx"], "caveats": [],
            "inputs": [{**item, "permutation": None} for item in request["inputs"]],
            "outputs": [{"name": item["name"], "permutation": None} for item in request["outputs"]]}
"""


@pytest.fixture
def edge_that(tmp_path: Path) -> Callable[[bool], Any]:
    """An edge whose first way copies the source; the second quantises it, or copies it as well."""

    def make(lies: bool) -> Any:
        return edge_of(tmp_path, EDGE.replace("PRECISIONS", repr(PRECISIONS)).replace("LIES", repr(lies)))

    return make


def dense(path: Path) -> Path:
    """y [1, 8] = x [1, 64] @ w."""
    return made.save(
        path,
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [made.value("x", [1, 64])],
        [made.value("y", [1, 8])],
        [made.weights("w", 64, 8)],
    )


@pytest.mark.parametrize("precision", [name for name in PRECISIONS if name != "fp32"])
def test_floats_by_another_name_are_refused_and_not_kept(
    tmp_path: Path, edge_that: Callable[[bool], Any], precision: str
) -> None:
    model = made.inspected(dense(tmp_path / "net.onnx"))
    samples = None
    if precision == "int8":
        samples = calibration.random(model, {"x": (1, 64)}, count=4, seed=0, folder=tmp_path / "calib")
    recipe = Recipe("onnx", precision, calibration=samples)
    with pytest.raises(JobError) as caught:
        convert(model, recipe, tmp_path / "cache", report=made.quiet, edge=edge_that(True))
    assert caught.value.code == "convert.precision"
    assert precision in caught.value.message
    artifacts = tmp_path / "cache" / "artifacts"
    assert not [path for path in artifacts.glob("*") if path.is_dir()]


def test_the_next_way_is_tried_where_one_lied(tmp_path: Path, edge_that: Callable[[bool], Any]) -> None:
    model = made.inspected(dense(tmp_path / "net.onnx"))
    recipe = Recipe("onnx", "int8-dynamic")
    found = convert(model, recipe, tmp_path / "cache", report=made.quiet, edge=edge_that(False))
    assert found.toolchain["edge"].endswith("(quantised)")
    assert found.check is not None
    assert found.check.proof is not None
    assert found.check.proof.weighted == {"int8": 1}
