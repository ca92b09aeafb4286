"""NVIDIA's real parser and builder, without a GPU: engines for RTX cards, and what they refuse.

The same code of ours builds engines on devices (``farm_agent.trt_build``), so it is run here for real.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from onnx import helper

from farm_agent.errors import FarmError, JobError
from farm_converters import calibration, environment, onnx_to_rtx
from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Artifact, Recipe
from tests.converters import made
from tests.support import models_folder, share_environments

pytestmark = [pytest.mark.toolchain, pytest.mark.timeout(600)]
AMPERE = {"sm": "86"}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("rtx"))


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Convolution, ReLU, mean and a matrix product."""
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["c"], pads=[1, 1, 1, 1], name="conv"),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Gemm", ["f", "g"], ["scores"], name="head"),
    ]
    return made.save(
        tmp_path_factory.mktemp("net") / "net.onnx",
        nodes,
        [made.value("image", [1, 3, 16, 16])],
        [made.value("scores", [1, 4])],
        [made.weights("w", 32, 3, 3, 3), made.weights("g", 32, 4)],
    )


def build(model: Path, store: Path, precision: str = "fp32", **options: str) -> Artifact:
    found = inspect_model(model)
    shapes = {
        spec.name: tuple(size if isinstance(size, int) else 1 for size in spec.shape) for spec in found.inputs
    }
    samples = None
    if precision == "int8":
        samples = calibration.random(found, shapes, count=4, seed=0, folder=store / "samples")
    recipe = Recipe("rtx", precision, shapes, calibration=samples, options=options or AMPERE)
    return convert(found, recipe, store, report=made.quiet)


def refused(model: Path, store: Path, precision: str = "fp32", **options: str) -> FarmError:
    with pytest.raises(JobError) as caught:
        build(model, store, precision, **options)
    return caught.value


@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
def test_engines_are_built_and_nothing_is_claimed_of_their_numbers(
    network: Path, store: Path, precision: str
) -> None:
    artifact = build(network, store, precision)
    assert artifact.spec.files[0].name == "model.rtx"
    assert artifact.size_bytes > 10_000
    assert (artifact.where, artifact.check) == ("host", None)
    assert any("never run" in text for text in artifact.caveats)
    assert any("sm86" in text for text in artifact.caveats)
    assert build(network, store, precision).cached


def test_without_a_gpu_no_runtime_loads_it(network: Path, store: Path) -> None:
    """No GPU is seen: NVIDIA's runtime gives None, which the agent's session takes for the error it is."""
    artifact = build(network, store)
    env = environment.prepare("rtx", store, made.quiet)
    code = (
        "import sys, tensorrt_rtx_bindings as trt\n"
        "runtime = trt.Runtime(trt.Logger(trt.Logger.ERROR))\n"
        "engine = runtime.deserialize_cuda_engine(open(sys.argv[1], 'rb').read())\n"
        "sys.exit(0 if engine is None else 3)"
    )
    done = subprocess.run(
        [env.python, "-I", "-c", code, str(artifact.paths[0])],
        env={**os.environ, "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_one_file_may_serve_several_kinds_of_gpu(network: Path, store: Path) -> None:
    one, two = build(network, store), build(network, store, sm="89,86")
    assert two.size_bytes > one.size_bytes
    assert one.key != two.key


@pytest.mark.parametrize("options", [{"sm": "87"}, {"sm": ""}, {"sm": "86,9000"}])
def test_gpus_that_nobody_can_build_for_are_refused(
    network: Path, store: Path, options: dict[str, str]
) -> None:
    """sm87 is Jetson Orin: it builds its engines itself."""
    error = refused(network, store, **options)
    assert error.code == "convert.option"
    assert "86" in error.message


def test_what_a_gpu_cannot_compute_is_told_in_the_builder_s_words(network: Path, store: Path) -> None:
    """Turing has no fp32 matrix products in TensorRT-RTX; in fp16 the same network builds."""
    error = refused(network, store, sm="75")
    assert error.code == "convert.unsupported-op"
    assert "SM75" in error.message
    assert build(network, store, "fp16", sm="75").size_bytes > 10_000


def test_an_operator_that_the_parser_does_not_know_is_named(tmp_path: Path, store: Path) -> None:
    """ONNX Runtime computes it, so it gets as far as the parser."""
    model = made.save(
        tmp_path / "net.onnx",
        [helper.make_node("NonZero", ["x"], ["indices"]), helper.make_node("Unique", ["x"], ["kinds"])],
        [made.value("x", [1, 4])],
        [made.value("indices", [2, None], "int64"), made.value("kinds", [None])],
    )
    error = refused(model, store)
    assert error.code in ("convert.unsupported-op", "convert.unsupported")
    assert "NonZero" in error.message or "Unique" in error.message


def test_names_of_gpus_are_numbers_in_order() -> None:
    assert onnx_to_rtx.capabilities({"sm": "sm120, 86,86"}) == ["86", "120"]


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "precision"),
    [
        ("mlperf_tiny_kws", "int8"),
        ("mnist8_cntk", "fp16"),
        ("squeezenet_fp16", "fp16"),
        ("mlperf_tiny_ad", "fp32"),
    ],
)
def test_real_models_build(store: Path, name: str, precision: str) -> None:
    assert build(models_folder() / "onnx" / f"{name}.onnx", store, precision).size_bytes > 10_000


@pytest.mark.models
def test_a_compiler_that_gives_up_is_an_error_and_no_crash(store: Path) -> None:
    error = refused(models_folder() / "onnx" / "dtln_1.onnx", store)
    assert error.code == "convert.unsupported"
    assert "MyelinCheckException" in error.message


@pytest.mark.models
@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("poly_custom_op_node.onnx", "convert.unsupported-op"),
        ("poly_qdq_conv.onnx", "convert.unsupported-op"),
        ("go_strings.onnx", "convert.unsupported-op"),
        ("poly_bad_graph_with_dup_value_info.onnx", "convert.unsupported"),
        ("poly_bad_graph_with_no_import_domains.onnx", "convert.unsupported-op"),
        ("winml_corrupt_model.onnx", "convert.unsupported"),
        ("poly_inp_dim_val_not_set.onnx", "build.no-shape"),
    ],
)
def test_nasty_files_straight_into_the_builder_are_typed(store: Path, name: str, code: str) -> None:
    """As a device's agent would meet them; the coordinator refuses most before."""
    env = environment.prepare("rtx", store, made.quiet)
    agents = Path(sys.modules["farm_agent"].__path__[0]).parent
    script = (
        "import sys\n"
        "sys.path.insert(0, sys.argv[2])\n"
        "import tensorrt_rtx_bindings\n"
        "from farm_agent import trt_build\n"
        "from farm_agent.errors import FarmError\n"
        "try:\n"
        "    trt_build.build(tensorrt_rtx_bindings, trt_build.Order(sys.argv[1]), major=11)\n"
        "except FarmError as error:\n"
        "    print(error.code)\n"
    )
    path = models_folder() / "nasty" / name
    argv = [env.python, "-I", "-c", script, str(path), str(agents)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [code]
