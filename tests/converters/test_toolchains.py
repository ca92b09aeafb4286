"""OpenVINO and TFLite with their real toolchains: names, types and layouts survive."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pytest

from farm_agent.errors import JobError
from farm_converters.convert import convert
from farm_converters.recipe import Artifact, Recipe
from tests.converters import made
from tests.support import share_environments

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache for all, so that the environments are built once."""
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("toolchains"))


def run(
    path: Path,
    store: Path,
    target: str,
    precision: str = "fp32",
    shapes: Mapping[str, tuple[int, ...]] | None = None,
) -> Artifact:
    return convert(made.inspected(path), Recipe(target, precision, shapes or {}), store, report=made.quiet)


def odd_names(path: Path) -> Path:
    return made.conv(path, names=("gpu_0/data:0", "21"))


MODELS: dict[str, tuple[Callable[[Path], Path], dict[str, tuple[int, ...]]]] = {
    "conv": (made.conv, {}),
    "odd names": (odd_names, {}),
    "two inputs": (made.two_inputs, {}),
    "int64 ids": (made.embedding, {"ids": (2, 7)}),
    "branch": (made.branch, {}),
    "float16": (lambda path: made.identity(path, "float16"), {}),
}


@pytest.mark.parametrize("target", ["openvino", "tflite"])
@pytest.mark.parametrize("name", MODELS)
def test_a_model_comes_out_checked_under_its_own_names(
    tmp_path: Path, store: Path, name: str, target: str
) -> None:
    maker, shapes = MODELS[name]
    path = maker(tmp_path / "net.onnx")
    artifact = run(path, store, target, shapes=shapes)
    model = made.inspected(path)
    assert artifact.check is not None
    assert artifact.check.passed
    assert [entry.source.name for entry in artifact.spec.inputs] == [item.name for item in model.inputs]
    assert [entry.source.name for entry in artifact.spec.outputs] == [item.name for item in model.outputs]
    assert [entry.source.dtype for entry in artifact.spec.inputs] == [item.dtype for item in model.inputs]
    names = {"openvino": ["model.xml", "model.bin"], "tflite": ["model.tflite"]}
    assert [path.name for path in artifact.paths] == names[target]


def dense(path: Path, operator: str) -> Path:
    from onnx import helper

    return made.save(
        path,
        [helper.make_node(operator, ["x", "w"], ["y"])],
        [made.value("x", [1, 256])],
        [made.value("y", [1, 256])],
        [made.weights("w", 256, 256)],
    )


@pytest.mark.parametrize("target", ["openvino", "tflite"])
def test_fp16_is_about_half_the_size(tmp_path: Path, store: Path, target: str) -> None:
    path = dense(tmp_path / "net.onnx", "Gemm")
    assert run(path, store, target, "fp16").size_bytes < 0.65 * run(path, store, target).size_bytes


def test_a_network_that_stays_float32_is_not_called_fp16(tmp_path: Path, store: Path) -> None:
    """BATCH_MATMUL keeps its float32 weights."""
    with pytest.raises(JobError) as caught:
        run(dense(tmp_path / "net.onnx", "MatMul"), store, "tflite", "fp16")
    assert caught.value.code == "convert.unsupported-precision"
    assert "float16" in caught.value.message


def test_openvino_files_tell_nothing_of_where_they_were_made(tmp_path: Path, store: Path) -> None:
    artifact = run(made.conv(tmp_path / "net.onnx"), store, "openvino")
    assert str(store) not in artifact.paths[0].read_text()


def test_a_sequence_loop_is_refused_for_tflite_by_name(tmp_path: Path, store: Path) -> None:
    """Scan is control flow that no TFLite operator stands for."""
    from onnx import helper

    body = helper.make_graph(
        [helper.make_node("Add", ["sum", "row"], ["next"]), helper.make_node("Identity", ["next"], ["each"])],
        "body",
        [made.value("sum", [2]), made.value("row", [2])],
        [made.value("next", [2]), made.value("each", [2])],
    )
    node = helper.make_node("Scan", ["start", "rows"], ["last", "all"], body=body, num_scan_inputs=1)
    path = made.save(
        tmp_path / "net.onnx",
        [node],
        [made.value("start", [2]), made.value("rows", [3, 2])],
        [made.value("last", [2]), made.value("all", [3, 2])],
    )
    with pytest.raises(JobError) as caught:
        run(path, store, "tflite")
    assert caught.value.code == "convert.unsupported-op"
    assert "Scan" in caught.value.message


def test_the_converter_s_own_layout_is_found_by_numbers() -> None:
    from farm_converters.tflite_layout import best_axes

    want = np.random.default_rng(0).normal(size=(1, 3, 4, 4)).astype(np.float32)
    assert best_axes(want, want) is None
    assert best_axes(want.transpose(0, 2, 3, 1), want) == [0, 2, 3, 1]
    square = np.random.default_rng(1).normal(size=(1, 4, 4, 4)).astype(np.float32)
    assert best_axes(square.transpose(0, 3, 1, 2), square) == [0, 3, 1, 2]
