"""Conversions on the ONNX edge with real libraries: run, compared with the source, described."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from onnx import helper

from farm_converters import cache, edges
from farm_converters.convert import where
from farm_converters.recipe import PRECISIONS, Recipe
from tests.converters import made
from tests.converters.converting import outputs_of, run


def test_a_conversion_is_run_and_compared(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    artifact = run(model, store)
    assert artifact.check is not None
    assert artifact.check.passed
    assert artifact.check.samples == 2
    assert artifact.check.max_reference > 0.1
    assert [path.name for path in artifact.paths] == ["model.onnx"]
    assert artifact.spec.outputs[0].source.shape == (1, 4, 8, 8)
    assert not artifact.cached
    assert artifact.toolchain["onnxruntime"]


def test_the_golden_file_holds_the_source_model_s_own_outputs(tmp_path: Path, store: Path) -> None:
    import onnxruntime as ort

    path = made.two_inputs(tmp_path / "net.onnx")
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden_path is not None
    assert cache.blob_of(artifact.golden_path).sha256 == artifact.golden.blob.sha256
    session = ort.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with np.load(artifact.golden_path, allow_pickle=False) as data:
        for k in range(artifact.golden.samples):
            a, b = data[f"in.{k}.0"], data[f"in.{k}.1"]
            assert -1 <= a.min() <= a.max() <= 1
            want = session.run(["sum", "difference"], {"a": a, "b": b})
            np.testing.assert_array_equal(data[f"out.{k}.0"], want[0])
            np.testing.assert_array_equal(data[f"out.{k}.1"], want[1])
        assert not np.array_equal(data["in.0.0"], data["in.1.0"])


def test_free_dimensions_are_fixed_in_the_artifact(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.embedding(tmp_path / "net.onnx"))
    artifact = run(model, store, Recipe("onnx", shapes={"ids": (2, 7)}))
    assert artifact.spec.inputs[0].source.dtype == "int64"
    assert artifact.spec.outputs[0].artifact.shape == (2, 7, 6)
    assert made.inspected(artifact.paths[0]).inputs[0].shape == (2, 7)


def test_unsorted_nodes_old_files_and_control_flow(tmp_path: Path, store: Path) -> None:
    assert run(made.inspected(made.unsorted(tmp_path / "a.onnx")), store).check is not None
    artifact = run(made.inspected(made.branch(tmp_path / "b.onnx")), store)
    assert artifact.spec.inputs[0].source.shape == ()


def test_fp16_weighs_half_and_keeps_the_interface(tmp_path: Path, store: Path) -> None:
    path = made.save(
        tmp_path / "net.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [made.value("x", [1, 64])],
        [made.value("y", [1, 64])],
        [made.weights("w", 64, 64)],
    )
    model = made.inspected(path)
    artifact = run(model, store, Recipe("onnx", "fp16"))
    assert artifact.size_bytes < 0.6 * run(model, store).size_bytes
    assert artifact.spec.inputs[0].artifact.dtype == "float32"
    assert artifact.golden is not None
    assert artifact.golden.tolerance.rtol == 2e-2


def test_artifacts_tell_nothing_of_where_they_were_made(tmp_path: Path, store: Path) -> None:
    model = made.inspected(made.conv(tmp_path / "net.onnx"))
    assert str(tmp_path).encode() not in run(model, store).paths[0].read_bytes()


def test_external_data_are_taken_in(tmp_path: Path, store: Path) -> None:
    path = made.external(tmp_path / "net.onnx", "w.bin")
    (tmp_path / "w.bin").write_bytes(np.arange(4, dtype=np.float32).tobytes())
    artifact = run(made.inspected(path), store)
    (tmp_path / "w.bin").unlink()
    assert outputs_of(artifact)[0].shape == (4,)


def test_infinite_and_undefined_outputs_are_compared_too(tmp_path: Path, store: Path) -> None:
    nodes = [
        helper.make_node("Sub", ["x", "x"], ["zero"]),
        helper.make_node("Div", ["x", "zero"], ["y"]),
    ]
    path = made.save(tmp_path / "net.onnx", nodes, [made.value("x", [3])], [made.value("y", [3])])
    artifact = run(made.inspected(path), store)
    assert not np.isfinite(outputs_of(artifact)[0]).any()


def test_a_model_without_inputs(tmp_path: Path, store: Path) -> None:
    node = helper.make_node("Relu", ["w"], ["y"])
    path = made.save(tmp_path / "net.onnx", [node], [], [made.value("y", [2, 2])], [made.weights("w", 2, 2)])
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden.samples == 1


def test_a_large_output_keeps_one_sample(tmp_path: Path, store: Path) -> None:
    size = golden_bytes() // 4
    path = made.save(
        tmp_path / "net.onnx",
        [helper.make_node("Neg", ["x"], ["y"])],
        [made.value("x", [size])],
        [made.value("y", [size])],
    )
    artifact = run(made.inspected(path), store)
    assert artifact.golden is not None
    assert artifact.golden.samples == 1


def golden_bytes() -> int:
    from farm_converters import golden_onnx

    return golden_onnx.SMALL_BYTES // 2


def test_tensorrt_is_prepared_here_and_built_on_the_device(tmp_path: Path, store: Path) -> None:
    artifact = run(made.inspected(made.conv(tmp_path / "net.onnx")), store, Recipe("tensorrt"))
    assert (artifact.where, artifact.check, where("onnx", "tensorrt")) == ("device", None, "device")
    assert artifact.paths[0].name == "model.onnx"


def test_every_edge_keeps_the_contract() -> None:
    assert set(edges.edges()) >= {"onnx_to_onnx", "onnx_to_openvino", "onnx_to_tflite", "onnx_to_tensorrt"}
    for name in edges.edges():
        source, target = name.split("_to_")
        edge = edges.load(source, target)
        assert edge.WHERE in ("host", "device")
        assert set(edge.RUNGS) <= set(PRECISIONS)
        assert all(edge.RUNGS.values())
        assert callable(vars(sys.modules[edge.__name__])["convert"])
