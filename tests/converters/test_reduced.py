"""OpenVINO and TFLite in 8 and 4 bits with their real quantisers, proven by the real runtimes."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from farm_agent import precisions
from farm_agent.errors import JobError
from farm_converters import calibration, environment, quantise_openvino
from farm_converters.convert import convert
from farm_converters.quantise_tflite import Style
from farm_converters.recipe import Artifact, Recipe
from farm_converters.shapes import resolve_shapes
from tests import support
from tests.converters import made

SHAPE = [1, 3, 16, 16]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return support.share_environments(tmp_path_factory, tmp_path_factory.mktemp("reduced"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two convolutions, a residual, a padded pooling and a matrix product, under names of their own."""
    from onnx import helper

    nodes = [
        helper.make_node("Conv", ["image", "w1"], ["a"], name="stem/conv:1", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="stem/relu"),
        helper.make_node("Conv", ["b", "w22"], ["c"], name="block/conv", pads=[1, 1, 1, 1]),
        helper.make_node("Add", ["b", "c"], ["d"], name="block/add"),
        helper.make_node("Relu", ["d"], ["e"], name="block/relu"),
        helper.make_node("MaxPool", ["e"], ["f"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["f"], ["g"]),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "w333"], ["scores"], name="head"),
    ]
    return made.save(
        tmp_path_factory.mktemp("network") / "net.onnx",
        nodes,
        [made.value("image", SHAPE)],
        [made.value("scores", [1, 32])],
        [made.weights("w1", 32, 3, 3, 3), made.weights("w22", 32, 32, 3, 3), made.weights("w333", 32, 32)],
    )


def run(
    path: Path,
    store: Path,
    target: str,
    precision: str,
    exclude: Sequence[str] = (),
    options: Mapping[str, str] | None = None,
) -> Artifact:
    model = made.inspected(path)
    shapes = resolve_shapes(model, {}, None)
    drawn = calibration.random(model, shapes, count=8, seed=0, folder=store / "calibration")
    recipe = Recipe(
        target,
        precision,
        shapes,
        calibration=drawn if precisions.of(precision).calibrated else None,
        exclude=tuple(exclude),
        options=options or {},
    )
    return convert(model, recipe, store, report=made.quiet)


def share(artifact: Artifact, precision: str) -> float:
    assert artifact.check is not None
    assert artifact.check.passed
    found = precisions.share(precision, artifact.check.proof)
    assert found is not None
    return found


@pytest.mark.toolchain
@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    ("target", "precision", "least"),
    [
        ("openvino", "int8", 1.0),
        ("openvino", "int8-weights", 1.0),
        ("openvino", "int4-weights", 0.05),  # NNCF stores convolutions in 8 bits
        ("tflite", "int8", 1.0),
        ("tflite", "int8-dynamic", 1.0),
        ("tflite", "int8-weights", 1.0),
    ],
)
def test_a_reduced_network_agrees_with_its_source_and_proves_its_precision(
    network: Path, store: Path, target: str, precision: str, least: float
) -> None:
    artifact = run(network, store, target, precision)
    assert share(artifact, precision) >= least
    entry = artifact.spec.inputs[0]
    assert (entry.source.name, list(entry.source.shape)) == ("image", SHAPE)
    assert (entry.artifact.dtype, entry.scale) == ("float32", None)
    assert sum(path.stat().st_size for path in artifact.paths if path.suffix != ".xml") < 26_000
    skipped = [caveat for caveat in artifact.caveats if caveat.startswith("PADV2 stays in floats")]
    assert len(skipped) == (1 if (target, precision) == ("tflite", "int8") else 0)


@pytest.mark.toolchain
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["openvino", "tflite"])
def test_excluded_nodes_stay_in_floats_under_the_source_s_names(
    network: Path, store: Path, target: str
) -> None:
    artifact = run(network, store, target, "int8", ["stem/conv:1", "op:Gemm"])
    assert share(artifact, "int8") == pytest.approx(1 / 3)
    assert any("as asked" in caveat for caveat in artifact.caveats)
    with pytest.raises(JobError) as caught:
        run(network, store, target, "int8", ["stem/conv"])
    assert caught.value.code == "convert.exclude-unknown"
    assert "stem/conv:1" in caught.value.message


@pytest.mark.toolchain
@pytest.mark.timeout(600)
@pytest.mark.parametrize("target", ["openvino", "tflite"])
def test_a_network_without_weights_has_nothing_to_quantise(tmp_path: Path, store: Path, target: str) -> None:
    with pytest.raises(JobError) as caught:
        run(made.two_inputs(tmp_path / "net.onnx"), store, target, "int8-weights")
    assert caught.value.code == "convert.nothing-to-quantise"


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_integer_inputs_and_outputs_are_described_and_checked_in_the_source_s_floats(
    network: Path, store: Path
) -> None:
    artifact = run(network, store, "tflite", "int8", options={"io": "int8"})
    assert share(artifact, "int8") == 1.0
    for entry in (*artifact.spec.inputs, *artifact.spec.outputs):
        assert (entry.source.dtype, entry.artifact.dtype) == ("float32", "int8")
        assert entry.scale is not None
        assert entry.scale > 0


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_two_conversions_to_openvino_give_the_same_bytes(network: Path, store: Path) -> None:
    """OpenVINO's own names for operations count over threads."""
    first = run(network, store, "openvino", "int8")
    shutil.rmtree(first.paths[0].parent)
    again = run(network, store, "openvino", "int8")
    assert not again.cached
    assert [blob.sha256 for blob in again.spec.files] == [blob.sha256 for blob in first.spec.files]


def cancelling(path: Path) -> Path:
    """Large weights that cancel out, and small ones that 4 bits beside them cannot hold."""
    import numpy as np
    from onnx import helper, numpy_helper

    weights = np.random.default_rng(0).normal(0, 0.1, (64, 32)).astype(np.float32)
    weights[0] = 100.0
    constants = {"w": weights, "start": np.array([0]), "end": np.array([1]), "axis": np.array([1])}
    constants["hundred"] = np.array([100.0], np.float32)
    nodes = [
        helper.make_node("Gemm", ["x", "w"], ["product"]),
        helper.make_node("Slice", ["x", "start", "end", "axis"], ["first"]),
        helper.make_node("Mul", ["first", "hundred"], ["large"]),
        helper.make_node("Sub", ["product", "large"], ["y"]),
    ]
    initialisers = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    return made.save(path, nodes, [made.value("x", [1, 64])], [made.value("y", [1, 32])], initialisers)


@pytest.mark.toolchain
@pytest.mark.timeout(600)
def test_a_mismatch_by_rounding_is_not_tried_again_in_other_ways(tmp_path: Path, store: Path) -> None:
    model = made.inspected(cancelling(tmp_path / "net.onnx"))
    told: list[str] = []
    with pytest.raises(JobError) as caught:
        convert(model, Recipe("tflite", "int4-weights"), store, report=told.append)
    assert caught.value.code == "convert.mismatch"
    assert sum(line.startswith("converting to tflite") for line in told) == 1


def test_openvino_does_not_claim_a_dynamic_precision_that_nothing_proves(network: Path, store: Path) -> None:
    with pytest.raises(JobError) as caught:
        run(network, store, "openvino", "int8-dynamic")
    assert caught.value.code == "convert.unsupported-precision"
    assert "nothing proves" in caught.value.message


def test_integer_inputs_and_outputs_need_a_static_int8_network() -> None:
    assert Style.of("int8", {"io": "int8"}).integer_io
    with pytest.raises(JobError) as caught:
        Style.of("int8-dynamic", {"io": "int8"})
    assert caught.value.code == "convert.option"
    with pytest.raises(JobError, match="channel or tensor"):
        Style.of("int8", {"granularity": "row"})


def test_the_quantiser_of_openvino_comes_with_the_runtime_that_checks_fp32() -> None:
    assert environment.pins("nncf")["openvino"] == environment.pins("openvino")["openvino"]
    assert "torch" not in environment.pins("nncf")


def test_a_product_of_two_constants_does_not_count_as_computing_in_int8() -> None:
    """Nothing says that OpenVINO folded it before."""
    import numpy as np
    from openvino import opset13 as ops

    factors = [ops.constant(np.ones((2, 2), np.int8)), ops.constant(np.ones((2, 2), np.int8))]
    product = ops.matmul(*factors, transpose_a=False, transpose_b=False)
    assert not quantise_openvino._computes_int8(product, factors[1])
