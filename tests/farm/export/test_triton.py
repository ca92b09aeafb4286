"""Entries of Triton repositories: batching chosen by the measured curve, graphs proven at other batches."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from farm.errors import JobError, UsageError
from farm.export import triton
from farm.export.batch import open_batch
from farm.export.bundle import Bundle
from farm.export.curve import Choice, Point, choose
from farm_agent.wire import ArtifactSpec, Blob, Golden, TensorMap, TensorSpec, Tolerance
from tests.farm.networks import conv_net, save

CURVE = [Point(1, 100.0, 10e6), Point(2, 180.0, 11e6), Point(4, 300.0, 13e6), Point(8, 310.0, 26e6)]


def test_the_preferred_batch_is_the_smallest_near_the_best() -> None:
    """Batch 8 gives 3 % more than 4 and takes twice as long: 4 it is, and 8 stays allowed."""
    found = choose(CURVE)

    assert (found.preferred, found.most, found.delay_us) == ((4,), 8, 13_000)


def test_the_latency_bound_limits_batch_and_delay() -> None:
    """A request waits for the batch before and then for its own: 2 x 13 ms is too much for 24 ms."""
    found = choose(CURVE, limit_ns=24e6)

    assert (found.preferred, found.most, found.delay_us) == ((2,), 2, 2_000)


@pytest.mark.parametrize(
    "curve", [[Point(1, 100.0, 1e6), Point(2, 101.0, 2e6), Point(4, 99.0, 4e6)], [Point(1, 100.0, 1e6)]]
)
def test_batching_that_gains_nothing_is_left_out(curve: list[Point]) -> None:
    assert choose(curve).preferred == ()


def bundle(path: Path) -> Bundle:
    image, scores = TensorSpec("image", "float32", (1, 1, 8, 8)), TensorSpec("scores", "float32", (1, 3))
    blob = Blob("0" * 64, 1, "model.onnx")
    spec = ArtifactSpec("onnx", "fp32", (blob,), (TensorMap(image, image),), (TensorMap(scores, scores),))
    return Bundle(
        name="net",
        model_sha256="0" * 64,
        spec=spec,
        paths=(path,),
        golden=Golden(blob, 1, Tolerance(0.0, 0.0)),
        golden_path=path,
        runtime="onnxruntime",
        runtime_version="1.0",
        threads=2,
        options={},
        device="desk",
        profile="x86-cpu",
        verdict="valid",
        run_id="run",
        job_id="job",
    )


def test_a_batched_entry_leaves_the_first_dimension_to_triton(tmp_path: Path) -> None:
    text = triton.config_text(bundle(tmp_path), Choice((4,), 8, 1300, "why"), batched=True, why="why")

    assert "max_batch_size: 8" in text
    assert re.search(r'name: "image", data_type: TYPE_FP32, dims: \[ 1, 8, 8 \]', text)
    assert "preferred_batch_size: [ 4 ]" in text
    assert "max_queue_delay_microseconds: 1300" in text


def test_an_entry_without_batching_keeps_every_dimension(tmp_path: Path) -> None:
    text = triton.config_text(bundle(tmp_path), Choice((), 1, 0, "why"), batched=False, why="why")

    assert "max_batch_size: 0" in text
    assert "dims: [ 1, 1, 8, 8 ]" in text
    assert "dynamic_batching" not in text


def test_a_name_with_a_line_break_stays_in_its_comment(tmp_path: Path) -> None:
    odd = replace(bundle(tmp_path), name="net\nmax_batch_size: 99")
    text = triton.config_text(odd, Choice((), 1, 0, "why"), batched=False, why="why")

    assert [line for line in text.splitlines() if line.startswith("max_batch_size")] == ["max_batch_size: 0"]


@pytest.mark.parametrize(("name", "fits"), [("onnx", True), ("openvino", True), ("tflite", False)])
def test_formats_without_a_backend_are_refused(name: str, fits: bool) -> None:
    if fits:
        triton.refuse(name)
        return
    with pytest.raises(UsageError) as caught:
        triton.refuse(name)
    assert caught.value.code == "export.triton-format"


def test_an_opened_graph_takes_any_batch(tmp_path: Path) -> None:
    request = {"format": "onnx", "path": str(conv_net(tmp_path / "fixed.onnx")), "file": "model.onnx"}
    open_batch({**request, "inputs": ["image"], "outputs": ["scores"], "most": 4, "rtol": 1e-3}, tmp_path)

    session = onnxruntime.InferenceSession(str(tmp_path / "model.onnx"))
    (scores,) = session.run(None, {"image": np.zeros((3, 1, 8, 8), "float32")})
    assert scores.shape == (3, 3)


def test_a_graph_with_its_batch_built_in_is_found_out(tmp_path: Path) -> None:
    """A reshape to [1, 64] of a batch of two would mix samples or fail."""
    weight = numpy_helper.from_array(np.ones((64, 3), "float32"), "w")
    shape = numpy_helper.from_array(np.array([1, -1], "int64"), "shape")
    graph = helper.make_graph(
        [
            helper.make_node("Reshape", ["image", "shape"], ["flat"]),
            helper.make_node("MatMul", ["flat", "w"], ["scores"]),
        ],
        "built_in",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [1, 3])],
        [weight, shape],
    )
    path = save(tmp_path / "fixed.onnx", graph)
    request = {"format": "onnx", "path": str(path), "inputs": ["image"], "outputs": ["scores"]}

    with pytest.raises(JobError) as caught:
        open_batch({**request, "most": 4, "rtol": 1e-3, "file": "model.onnx"}, tmp_path)
    assert caught.value.code == "export.batch"
