"""Every model of the collection in every format: checked, or refused with a reason that was understood."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from farm_agent.errors import FarmError
from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
from farm_converters.shapes import resolve_shapes
from tests.converters import made
from tests.support import models, models_folder, share_environments

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
REFUSED = {("silero_vad", "tflite")}  # everything else must come out checked
UNDERSTOOD = (
    "model.", "convert.mismatch", "convert.unsupported", "convert.source-fails", "convert.no-edge",
    "runtime.", "check.",
)  # fmt: skip
OUR_FAULT = ("convert.failed", "convert.crashed", "farm.")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("models"))


def row(path: Path, store: Path, formats: tuple[str, ...] = FORMATS) -> dict[str, str]:
    """Per format: "ok" with the error found, or the code and message of the refusal."""
    try:
        model = inspect_model(path)
        shapes = resolve_shapes(model, SHAPES.get(model.name, {}), 1)
    except FarmError as error:
        return dict.fromkeys(formats, f"{error.code}: {error.message}")
    found = {}
    for target in formats:
        try:
            artifact = convert(model, Recipe(target, "fp32", shapes), store, report=made.quiet)
            assert artifact.check is not None
            found[target] = f"ok {artifact.check.max_abs_error:.1e}"
        except FarmError as error:
            found[target] = f"{error.code}: {error.message}"
    return found


NETWORKS = models("onnx", "*.onnx")


@pytest.mark.parametrize("path", NETWORKS, ids=lambda path: path.stem)
def test_a_network_is_checked_in_every_format(path: Path, store: Path) -> None:
    """In ONNX and, by turns, in one of the others; with FARM_LONG=1 in all of them."""
    mine = FORMATS if os.environ.get("FARM_LONG") else ("onnx", FORMATS[1 + NETWORKS.index(path) % 2])
    for target, text in row(models_folder() / path, store, mine).items():
        if (path.stem, target) in REFUSED:
            assert text.startswith(UNDERSTOOD), text
        else:
            assert text.startswith("ok"), f"{target}: {text}"


HOSTILE = models("nasty", "**/*")


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: path.name)
def test_a_hostile_file_is_checked_or_refused_for_a_reason(path: Path, store: Path) -> None:
    """Each in one of the formats, by turns; with FARM_LONG=1 in all of them."""
    mine = FORMATS if os.environ.get("FARM_LONG") else (FORMATS[HOSTILE.index(path) % len(FORMATS)],)
    for text in row(models_folder() / path, store, mine).values():
        assert text.startswith("ok") or text.startswith(UNDERSTOOD), text
        assert not text.startswith(OUR_FAULT), text
