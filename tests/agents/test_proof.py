"""What runtimes tell of real quantised artifacts: how weights are stored, and what computes with them."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from farm_agent import feed, onnx_file, precisions, runtimes, tflite_file, tflite_precisions
from farm_agent.wire import PrecisionProof
from tests.agents.tflite_quantised import SIZE, write_dense

pytestmark = pytest.mark.filterwarnings("ignore")


def network(path: Path) -> Path:
    """Convolution, pooling, two matrix products, the last of them of two computed tensors."""
    draw = np.random.default_rng(0)
    constants = [
        numpy_helper.from_array(draw.normal(0, 0.3, shape).astype(np.float32), name)
        for name, shape in (("cw", (8, 3, 3, 3)), ("fw", (8, 64)))
    ]
    nodes = [
        helper.make_node("Conv", ["x", "cw"], ["c"], name="conv", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["c"], ["r"], name="relu"),
        helper.make_node("GlobalAveragePool", ["r"], ["g"], name="pool"),
        helper.make_node("Flatten", ["g"], ["f"], name="flat"),
        helper.make_node("MatMul", ["f", "fw"], ["m"], name="dense"),
        helper.make_node("Transpose", ["m"], ["t"], name="turn"),
        helper.make_node("MatMul", ["m", "t"], ["y"], name="square"),
    ]
    graph = helper.make_graph(
        nodes,
        "net",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        constants,
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


class Samples:
    """As onnxruntime.quantization wants them."""

    def __init__(self) -> None:
        draw = np.random.default_rng(1)
        self._left: Iterator[Any] = iter([draw.normal(size=(1, 3, 16, 16)).astype(np.float32)] * 4)

    def get_next(self) -> dict[str, Any] | None:
        return next(({"x": array} for array in self._left), None)


def quantised(folder: Path, way: str) -> Path:
    """The network, quantised by ONNX Runtime's own tools."""
    from onnxruntime import quantization as tools

    source, target = network(folder / "float.onnx"), folder / f"{way}.onnx"
    if way == "dynamic":
        tools.quantize_dynamic(
            source, target, weight_type=tools.QuantType.QInt8, op_types_to_quantize=["MatMul"]
        )
    elif way == "fp16":
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16

        save(convert_float_to_float16(onnx.load(str(source)), keep_io_types=True), str(target))
    else:
        form = tools.QuantFormat.QDQ if way == "qdq" else tools.QuantFormat.QOperator
        kinds = {"activation_type": tools.QuantType.QUInt8, "weight_type": tools.QuantType.QInt8}
        tools.quantize_static(source, target, Samples(), quant_format=form, per_channel=True, **kinds)
    return target


def block_quantised(path: Path, level: int) -> Path:
    """One MatMulNBits: 32 by 16 weights, 4 bits each."""
    draw = np.random.default_rng(0)
    packed = numpy_helper.from_array(draw.integers(0, 256, (16, 1, 16)).astype(np.uint8), "b")
    scales = numpy_helper.from_array(np.full(16, 0.1, np.float32), "s")
    sizes = {"K": 32, "N": 16, "bits": 4, "block_size": 32, "accuracy_level": level}
    node = helper.make_node("MatMulNBits", ["x", "b", "s"], ["y"], domain="com.microsoft", **sizes)
    value = helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, [1, 32])], [value("y", TensorProto.FLOAT, [1, 16])]
    graph = helper.make_graph([node], "net", *ends, [packed, scales])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(path))
    return path


def proof_of(runtime: str, path: Path) -> PrecisionProof:
    session = runtimes.load(runtime).open(str(path), {"threads": 1})
    session.bind(feed.zeros(session.inputs()))
    session.call()
    found: PrecisionProof | None = session.proof()
    session.close()
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("way", "weighted", "weights"),
    [
        ("float", {"fp32": 2}, {"fp32": 4 * 728}),
        ("qdq", {"int8": 2}, {"int8": 728}),
        ("qoperator", {"int8": 2}, {"int8": 728}),
        ("dynamic", {"fp32": 1, "int8": 1}, {"fp32": 4 * 216, "int8": 512}),
        # no half-precision kernels on a CPU: stored in halves, computed in floats
        ("fp16", {"fp32": 2}, {"fp16": 2 * 728}),
    ],
)
def test_onnx_runtime_tells_what_its_kernels_and_the_file_hold(
    tmp_path: Path, way: str, weighted: dict[str, int], weights: dict[str, int]
) -> None:
    """The product of two computed tensors carries no weights, whatever it runs in."""
    path = network(tmp_path / "float.onnx") if way == "float" else quantised(tmp_path, way)
    found = proof_of("onnxruntime", path)
    assert (found.weighted, found.weights) == (weighted, weights)


@pytest.mark.parametrize(("level", "computed"), [(0, "fp32"), (4, "int8")])
def test_block_quantised_products_store_4_bits_and_compute_in_what_was_asked(
    tmp_path: Path, level: int, computed: str
) -> None:
    found = proof_of("onnxruntime", block_quantised(tmp_path / "net.onnx", level))
    assert (found.weighted, found.weights) == ({computed: 1}, {"int4": 256})
    assert precisions.share("int4-weights", found) == 1.0
    # nothing tells what those kernels really multiply in
    assert ("accuracy_level 4" in found.source) is (computed == "int8")


@pytest.mark.parametrize(("level", "computed"), [("", "fp32"), ("1", "fp32"), ("4", "int8")])
def test_weight_only_products_compute_in_floats_unless_the_option_says_otherwise(
    tmp_path: Path, level: str, computed: str
) -> None:
    """Left alone, ONNX Runtime rounds the inputs of such products to 8 bits: the outputs show it."""
    draw = np.random.default_rng(0)
    steps = draw.integers(-127, 128, (256, 64)).astype(np.int8)
    constants = [
        numpy_helper.from_array(steps, "w"),
        numpy_helper.from_array(np.full(64, 0.01, np.float32), "s"),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["w", "s"], ["wide"], axis=1),
        helper.make_node("MatMul", ["x", "wide"], ["y"]),
    ]
    value = helper.make_tensor_value_info
    ends = [value("x", TensorProto.FLOAT, [1, 256])], [value("y", TensorProto.FLOAT, [1, 64])]
    graph = helper.make_graph(nodes, "net", *ends, constants)
    path = tmp_path / "net.onnx"
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)], ir_version=10), str(path))
    session = runtimes.load("onnxruntime").open(str(path), {"threads": 1, "accuracy_level": level})
    x = draw.normal(size=(1, 256)).astype(np.float32)
    session.bind({"x": x})
    session.call()
    want = x @ (steps * np.float32(0.01))
    error = float(np.linalg.norm(session.fetch()["y"] - want) / np.linalg.norm(want))
    found = session.proof()
    assert (found.weighted, found.weights) == ({computed: 1}, {"int8": 256 * 64})
    assert (error < 1e-5) is (computed == "fp32")


@pytest.mark.parametrize(("way", "weighted"), [("float", {"fp32": 2}), ("qdq", {"int8": 2})])
def test_openvino_tells_the_kernels_of_its_layers_also_where_they_are_fused(
    tmp_path: Path, way: str, weighted: dict[str, int]
) -> None:
    path = network(tmp_path / "float.onnx") if way == "float" else quantised(tmp_path, way)
    assert proof_of("openvino", path).weighted == weighted


def test_openvino_computes_compressed_weights_in_floats(tmp_path: Path) -> None:
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter([1, 64], np.float32, name="x")
    stored = ops.constant(np.ones((64, 64), np.int8))
    weights = ops.multiply(ops.convert(stored, np.float32), ops.constant(np.float32(0.1)))
    model = ov.Model([ops.matmul(x, weights, transpose_a=False, transpose_b=True)], [x])
    ov.save_model(model, tmp_path / "net.xml", compress_to_fp16=False)
    found = proof_of("openvino", tmp_path / "net.xml")
    assert (found.weighted, found.weights) == ({"fp32": 1}, {"int8": 4096})
    assert "DYNAMIC_QUANTIZATION_GROUP_SIZE 0" in found.source


@pytest.mark.parametrize(
    ("way", "weighted", "weights"),
    [
        ("floats", {"fp32": 1}, {"fp32": 4 * SIZE * SIZE}),
        ("hybrid", {"int8": 1}, {"int8": SIZE * SIZE}),
        ("hybrid-4", {"int8": 1}, {"int4": SIZE * SIZE // 2}),
        ("weights", {"fp32": 1}, {"int8": SIZE * SIZE}),
        ("halves", {"fp32": 1}, {"fp16": 2 * SIZE * SIZE}),
        ("whole", {"int8": 1}, {"int8": SIZE * SIZE}),
    ],
)
def test_litert_tells_hybrid_operators_from_weights_that_are_only_stored_small(
    tmp_path: Path, way: str, weighted: dict[str, int], weights: dict[str, int]
) -> None:
    found = proof_of("litert", write_dense(tmp_path / "net.tflite", way))
    assert (found.weighted, found.weights) == (weighted, weights)


def damaged(path: Path, rounds: int) -> Iterator[Path]:
    """The file with bytes changed and its end cut off, in many ways."""
    draw, whole = np.random.default_rng(2), path.read_bytes()
    for number in range(rounds):
        data = bytearray(whole)
        for _ in range(int(draw.integers(1, 20))):
            data[int(draw.integers(0, len(data)))] = int(draw.choice([0, 1, 127, 128, 255]))
        end = int(draw.integers(0, len(data))) if number % 4 == 0 else len(data)
        path.write_bytes(bytes(data[:end]))
        yield path


def test_a_damaged_onnx_file_is_malformed_or_read_and_nothing_else(tmp_path: Path) -> None:
    seen = set()
    for path in damaged(network(tmp_path / "net.onnx"), 400):
        try:
            onnx_file.read(path)
            seen.add("read")
        except onnx_file.Malformed:
            seen.add("malformed")
    assert seen == {"read", "malformed"}


def test_a_damaged_tflite_file_is_malformed_or_read_and_nothing_else(tmp_path: Path) -> None:
    seen = set()
    small = write_dense(tmp_path / "net.tflite", "weights")
    for path in damaged(small, 400):
        try:
            tflite_precisions.proof(path, "")
            seen.add("read")
        except tflite_file.Malformed:
            seen.add("malformed")
    assert seen == {"read", "malformed"}


def test_a_tflite_file_cannot_claim_one_long_name_again_and_again() -> None:
    """A million tensors may point to the same bytes of the file; each would get a copy."""
    table = struct.pack("<I4xHHHxxiI", 16, 6, 8, 4, 16 - 8, 4)  # its only field: a text, right behind it
    reader = tflite_file._Reader(memoryview(table + struct.pack("<I", 4096) + b"n" * 4096))
    assert reader.text(reader.table_at(0), 0) == "n" * 4096
    most_bytes = 256 * 1024 * 1024
    with pytest.raises(tflite_file.Malformed, match="too many"):
        deque((reader.text(reader.table_at(0), 0) for _ in range(most_bytes // 4096)), maxlen=0)


@pytest.mark.parametrize("data", [b"", b"\x3a\x05\x0a", b"\x08" + b"\xff" * 12, b"\x0b" * 4, b"\x3a\x00" * 3])
def test_what_is_no_protobuf_is_malformed_or_empty(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    try:
        graphs = onnx_file.read(path)
    except onnx_file.Malformed:
        return
    assert all(not graph.nodes for graph in graphs)
