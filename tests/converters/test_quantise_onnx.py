"""ONNX in 8 and 4 bits, by real quantisers, run in real ONNX Runtime."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from farm_agent.errors import JobError
from farm_converters import (
    quantise_io,
    quantise_onnx,
    quantise_onnx_dynamic,
    quantise_onnx_weights,
    quantised,
)
from farm_converters.golden_onnx import save_npz
from farm_converters.quantise_onnx import Style
from tests.converters import made
from tests.converters import quantisable as nets

IMAGE = np.random.default_rng(7).normal(0, 1, (1, 3, 8, 8)).astype(np.float32)
IDS = np.array([[3, 14, 15, 9, 26, 5]], np.int64)


def static(
    folder: Path, style: Style | None = None, *, exclude: tuple[str, ...] = (), opset: int = 13
) -> Any:
    model = nets.read(nets.classifier(folder / "net.onnx", opset=opset))
    calibration = nets.samples(folder / "samples.npz")
    return quantise_onnx.quantise(
        model, calibration, ["x"], style or Style(), exclude=exclude, workdir=folder
    )


def types(model: Any) -> Counter[int]:
    return Counter(tensor.data_type for tensor in model.graph.initializer if len(tensor.dims) > 1)


def made_of(model: Any, node: str) -> set[str]:
    """Operator types that make the inputs of the node called so."""
    maker = {output: other.op_type for other in model.graph.node for output in other.output}
    found = next(other for other in model.graph.node if other.name == node)
    return {maker.get(name, "nothing") for name in found.input}


def test_static_int8_keeps_the_answers_and_quantises_every_operator_with_weights(tmp_path: Path) -> None:
    want = nets.answers(nets.read(nets.classifier(tmp_path / "net.onnx")), {"x": IMAGE})
    model = static(tmp_path)
    assert nets.cosine(nets.answers(model, {"x": IMAGE}), want) > 0.99
    share = quantised.share_of(model)
    assert (share.integer, share.weighted) == (3, 3)
    onnx.checker.check_model(model)
    assert share.wide_bytes == 0


def test_a_model_below_opset_13_is_lifted(tmp_path: Path) -> None:
    model = static(tmp_path, opset=11)
    assert quantise_onnx.opset_of(model) == 13
    assert quantised.share_of(model).integer == 3


def test_an_excluded_node_computes_in_floats(tmp_path: Path) -> None:
    model = static(tmp_path, exclude=("last",))
    assert made_of(model, "last") == {"DequantizeLinear", "nothing"}  # data from before; weights as they were
    assert quantised.share_of(model).integer == 2


@pytest.mark.parametrize("method", quantise_onnx.METHODS)
def test_every_way_to_learn_ranges_gives_sound_answers(tmp_path: Path, method: str) -> None:
    want = nets.answers(nets.read(nets.classifier(tmp_path / "net.onnx")), {"x": IMAGE})
    model = static(tmp_path, Style(method=method))
    assert nets.cosine(nets.answers(model, {"x": IMAGE}), want) > 0.97


def test_the_style_for_tensorrt_has_signed_symmetric_pairs_and_float_biases(tmp_path: Path) -> None:
    model = static(tmp_path, quantise_onnx.TENSORRT)
    zeros = [t for t in model.graph.initializer if t.name.endswith("zero_point")]
    assert {tensor.data_type for tensor in zeros} == {TensorProto.INT8}
    assert not any(numpy_helper.to_array(tensor).any() for tensor in zeros)
    assert TensorProto.INT32 not in {tensor.data_type for tensor in model.graph.initializer}


def test_a_copied_bias_never_takes_the_name_of_another_tensor(tmp_path: Path) -> None:
    """Two convolutions share a bias "b", and a tensor is called as the quantiser would call its copy."""
    nodes = [
        helper.make_node("Conv", ["x", "w1", "b"], ["b2"], "one"),
        helper.make_node("Conv", ["b2", "w2", "b"], ["b3"], "two"),
        helper.make_node("Relu", ["b3"], ["y"], "out"),
    ]
    constants = [
        nets.constant("w1", 3, 3, 1, 1),
        nets.constant("w2", 3, 3, 1, 1, seed=1),
        nets.constant("b", 3),
    ]
    path = made.save(
        tmp_path / "net.onnx",
        nodes,
        [made.value("x", [1, 3, 8, 8])],
        [made.value("y", [1, 3, 8, 8])],
        constants,
        opset=13,
    )
    want = nets.answers(onnx.load(path), {"x": IMAGE})
    model = quantise_onnx.quantise(
        nets.read(path), nets.samples(tmp_path / "s.npz"), ["x"], Style(), exclude=(), workdir=tmp_path
    )
    assert nets.cosine(nets.answers(model, {"x": IMAGE}), want) > 0.99


def test_an_option_that_is_not_known_is_refused() -> None:
    with pytest.raises(JobError, match="activations is 'u4'; it can be u8 or s8") as caught:
        Style.of({"activations": "u4"})
    assert caught.value.code == "convert.option"
    assert Style.of({"activations": "s8", "method": "entropy"}) == Style(activations="s8", method="entropy")


def test_integer_inputs_and_outputs_are_for_int8_alone() -> None:
    """A target that has float precisions as well keeps its option; another reduced precision is a mistake."""
    asked = {"io": "int8"}
    assert quantise_onnx.integer_io(asked, "int8")
    assert not quantise_onnx.integer_io(asked, "fp16")
    assert not quantise_onnx.integer_io({}, "int8-weights")
    with pytest.raises(JobError) as caught:
        quantise_onnx.integer_io(asked, "int8-weights")
    assert caught.value.code == "convert.option"


def test_samples_that_the_model_cannot_take_are_refused(tmp_path: Path) -> None:
    model = nets.read(nets.classifier(tmp_path / "net.onnx"))
    save_npz(tmp_path / "s.npz", {"in.0": np.zeros((4, 1, 3, 7, 7), np.float32)})
    with pytest.raises(JobError) as caught:
        quantise_onnx.quantise(model, tmp_path / "s.npz", ["x"], Style(), exclude=(), workdir=tmp_path)
    assert caught.value.code == "convert.calibration-fails"


def test_dynamic_int8_takes_products_and_lstm_and_leaves_convolutions(tmp_path: Path) -> None:
    words = quantise_onnx_dynamic.quantise(
        nets.read(nets.language(tmp_path / "words.onnx")), exclude=(), workdir=tmp_path
    )
    found = {node.op_type for node in words.graph.node}
    assert "DynamicQuantizeLSTM" in found
    assert "MatMulInteger" in found
    image = quantise_onnx_dynamic.quantise(
        nets.read(nets.classifier(tmp_path / "image.onnx")), exclude=(), workdir=tmp_path
    )
    kinds = Counter(node.op_type for node in image.graph.node)
    assert kinds["Conv"] == 2
    assert "ConvInteger" not in kinds


@pytest.mark.parametrize(
    ("bits", "kind", "least"), [(8, TensorProto.INT8, 0.9999), (4, TensorProto.INT4, 0.97)]
)
def test_weights_are_stored_small_and_answer_nearly_the_same(
    tmp_path: Path, bits: int, kind: int, least: float
) -> None:
    source = nets.read(nets.language(tmp_path / "net.onnx"))
    want, size = nets.answers(source, {"ids": IDS}), source.ByteSize()
    model = quantise_onnx_weights.quantise(source, bits, exclude=())
    assert nets.cosine(nets.answers(model, {"ids": IDS}), want) > least
    assert types(model)[kind] >= 3
    assert model.ByteSize() < size * (0.35 if bits == 8 else 0.3)


def test_of_a_table_in_8_bits_only_looked_up_rows_are_widened(tmp_path: Path) -> None:
    model = quantise_onnx_weights.quantise(
        nets.read(nets.language(tmp_path / "net.onnx")), 8, exclude=("cell", "head")
    )
    assert "DequantizeLinear" not in {node.op_type for node in model.graph.node}
    gathers = [node.input[0] for node in model.graph.node if node.op_type == "Gather"]
    assert gathers == ["table_int8", "table_scale"]


def test_onnx_runtime_reads_small_weights_of_products_and_widens_those_of_convolutions(
    tmp_path: Path,
) -> None:
    """What docs/precision.md says of weight-only models, seen in the graph that the runtime executes."""
    import onnxruntime as ort

    model = quantise_onnx_weights.quantise(nets.read(nets.classifier(tmp_path / "n.onnx")), 8, exclude=())
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.optimized_model_filepath = str(tmp_path / "executed.onnx")
    ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    executed = Counter(node.op_type for node in onnx.load(tmp_path / "executed.onnx").graph.node)
    assert executed["MatMulNBits"] == 1
    assert executed["DequantizeLinear"] == 2
    assert any("weights of Conv are widened" in text for text in quantised.stored_caveats(model, 8))


def test_what_is_too_narrow_for_4_bits_goes_into_8_and_is_told(tmp_path: Path) -> None:
    model = quantise_onnx_weights.quantise(nets.read(nets.classifier(tmp_path / "n.onnx")), 4, exclude=())
    assert types(model)[TensorProto.INT4] == 1  # the Gemm; 3 and 1 channels are too few to share a scale
    assert quantised.stored_caveats(model, 4)[0] == "of the weights, 22% in 4 bits and 78% in 8 bits"


def test_4_bit_values_are_packed_low_half_first() -> None:
    assert quantise_onnx_weights.packed(np.array([[1, -8, 7]], np.int8)) == bytes([0x81, 0x07])
    tensor = helper.make_tensor(
        "t", TensorProto.INT4, (3,), quantise_onnx_weights.packed(np.array([1, -8, 7], np.int8)), raw=True
    )
    assert numpy_helper.to_array(tensor).astype(np.int8).tolist() == [1, -8, 7]


def test_blocks_use_every_level_and_err_less_than_half_a_step() -> None:
    array = np.random.default_rng(0).normal(0, 1, (70, 5)).astype(np.float32)
    values, scales = quantise_onnx_weights.in_blocks(array, 0)
    assert values.shape == (70, 5)
    assert scales.shape == (3, 5)
    assert values.min() == -8
    steps = np.repeat(scales, quantise_onnx_weights.BLOCK, axis=0)[:70]
    error = np.abs(values * steps - array)
    assert np.median(error / np.abs(steps)) < 0.3
    naive = np.abs(array).max() / 7
    assert np.square(error).sum() < np.square(np.rint(array / naive) * naive - array).sum()


def test_nothing_to_quantise_is_an_error() -> None:
    model = helper.make_model(helper.make_graph([], "empty", [], []))
    with pytest.raises(JobError) as caught:
        quantised.refuse_none(quantised.share_of(model))
    assert caught.value.code == "convert.nothing-to-quantise"
    with pytest.raises(JobError) as caught:
        quantised.stored_caveats(model, 4)
    assert caught.value.code == "convert.nothing-to-quantise"


def test_integer_inputs_and_outputs_hold_what_the_pairs_at_the_boundary_held(tmp_path: Path) -> None:
    model = static(tmp_path)
    want = nets.answers(model, {"x": IMAGE})
    found, floats = quantise_io.integer_io(model)
    assert floats == []
    onnx.checker.check_model(model)
    given, got = found["x"], found["y"]
    assert (given.dtype, got.dtype) == ("uint8", "uint8")
    feed = np.clip(np.rint(IMAGE / given.scale) + given.zero_point, 0, 255).astype(np.uint8)
    raw = nets.answers(model, {"x": feed})
    assert raw.dtype == np.uint8
    np.testing.assert_allclose(
        (raw.astype(np.float32) - got.zero_point) * got.scale, want, atol=got.scale * 1.01
    )


def test_an_input_that_floats_also_read_stays_in_floats(tmp_path: Path) -> None:
    model = static(tmp_path, exclude=("first", "last"))
    found, floats = quantise_io.integer_io(model)
    assert found == {}
    assert floats == ["x", "y"]
