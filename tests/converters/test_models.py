"""Every model of the collection in every format: checked, or refused with a reason that was understood."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm_agent.errors import FarmError
from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
from farm_converters.shapes import resolve_shapes
from tests.converters import made
from tests.support import models_folder

pytestmark = [pytest.mark.models, pytest.mark.toolchain, pytest.mark.timeout(1800)]

FORMATS = ("onnx", "openvino", "tflite")
SHAPES: dict[str, dict[str, tuple[int, ...]]] = {
    "ppocr_cls_v2": {"x": (1, 3, 48, 192)},
    "bert_toy_optimized": {"input_ids": (1, 16)},
    "silero_vad": {"input": (1, 256), "state": (2, 1, 128)},
    "silero_vad_16k_op15": {"input": (1, 512), "state": (2, 1, 128)},
    "poly_inp_dim_val_not_set": {"X": (1, 3, 4)},
    "ort_fp16model_loop": {"data": (3, 4)},
    "ort_invalid_dim_param_value_repetition": {"X1": (3, 3)},
}
# How many of the 19 must come out checked, and the codes that a model may be refused with.
AT_LEAST = {"onnx": 19, "openvino": 19, "tflite": 18}
UNDERSTOOD = (
    "model.", "convert.mismatch", "convert.unsupported", "convert.source-fails", "convert.no-edge",
    "runtime.", "check.",
)  # fmt: skip
OUR_FAULT = ("convert.failed", "convert.crashed", "farm.")


def row(path: Path, store: Path) -> dict[str, str]:
    """Per format: "ok" with the error found, or the code and message of the refusal."""
    try:
        model = inspect_model(path)
        shapes = resolve_shapes(model, SHAPES.get(model.name, {}), 1)
    except FarmError as error:
        return dict.fromkeys(FORMATS, f"{error.code}: {error.message}")
    found = {}
    for target in FORMATS:
        try:
            artifact = convert(model, Recipe(target, "fp32", shapes), store, report=made.quiet)
            assert artifact.check is not None
            found[target] = f"ok {artifact.check.max_abs_error:.1e}"
        except FarmError as error:
            found[target] = f"{error.code}: {error.message}"
    return found


def table(rows: dict[str, dict[str, str]]) -> str:
    lines = [f"{'model':42}" + "".join(f"{target:28}" for target in FORMATS)]
    for name, cells in rows.items():
        lines.append(f"{name[:40]:42}" + "".join(f"{cells[t].split(': ')[0][:26]:28}" for t in FORMATS))
    reasons = [
        f"{name} {target}: {text}"
        for name, cells in rows.items()
        for target, text in cells.items()
        if not text.startswith("ok")
    ]
    return "\n".join([*lines, "", *reasons])


def test_the_collection(tmp_path: Path) -> None:
    paths = sorted((models_folder() / "onnx").glob("*.onnx"))
    rows = {path.stem: row(path, tmp_path) for path in paths}
    print("\n" + table(rows))
    counts = {target: sum(cells[target].startswith("ok") for cells in rows.values()) for target in FORMATS}
    print(counts)
    assert all(counts[target] >= AT_LEAST[target] for target in FORMATS)
    refused = [text for cells in rows.values() for text in cells.values() if not text.startswith("ok")]
    assert all(text.startswith(UNDERSTOOD) for text in refused)


def test_the_hostile_ones(tmp_path: Path) -> None:
    paths = sorted(path for path in (models_folder() / "nasty").rglob("*") if path.is_file())
    rows = {path.name: row(path, tmp_path) for path in paths}
    print("\n" + table(rows))
    for cells in rows.values():
        for text in cells.values():
            assert text.startswith("ok") or text.startswith(UNDERSTOOD), text
            assert not text.startswith(OUR_FAULT), text
