"""A .tflite file as the source: inspected strictly, run on reference kernels, taken as it is."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from farm_agent.errors import FarmError, UsageError
from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Artifact, Recipe
from tests.agents.tflite_quantised import SIZE, write_dense
from tests.converters import made
from tests.support import models_folder, share_environments


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return share_environments(tmp_path_factory, tmp_path_factory.mktemp("tflite-source"))


def taken(path: Path, store: Path, precision: str = "fp32", **options: object) -> Artifact:
    model = inspect_model(path)
    shapes = {
        spec.name: tuple(1 if size is None else int(size) for size in spec.shape) for spec in model.inputs
    }
    return convert(model, Recipe("tflite", precision, shapes=shapes, **options), store, report=made.quiet)  # type: ignore[arg-type]


def test_a_file_is_described_by_its_own_types(tmp_path: Path) -> None:
    model = inspect_model(write_dense(tmp_path / "net.tflite", "whole"))
    assert (model.format, model.name, model.native_precision) == ("tflite", "net", "int8")
    assert [(spec.name, spec.dtype, spec.shape) for spec in model.inputs] == [("x", "int8", (1, SIZE))]
    assert model.operators == {"FULLY_CONNECTED": 1}
    assert model.parameters == SIZE * SIZE
    assert inspect_model(write_dense(tmp_path / "net.tflite", "floats")).native_precision == ""


def test_a_quantised_file_is_fed_its_own_integers_and_kept_as_it_is(tmp_path: Path, store: Path) -> None:
    path = write_dense(tmp_path / "net.tflite", "whole")
    artifact = taken(path, store)
    assert artifact.paths[0].read_bytes() == path.read_bytes()
    assert artifact.spec.inputs[0].source == artifact.spec.inputs[0].artifact
    assert artifact.golden_path is not None
    with np.load(artifact.golden_path) as data:
        assert data["in.0.0"].dtype == np.int8
        assert len(set(data["in.0.0"].ravel().tolist())) > 32  # not zeros and ones
        assert data["out.0.0"].dtype == np.int8
    assert artifact.check is not None
    assert artifact.check.passed
    assert artifact.check.proof is not None
    assert artifact.check.proof.weighted == {"int8": 1}


@pytest.mark.parametrize(
    ("way", "precision", "code"),
    [
        ("whole", "int8", ""),
        ("hybrid", "int8-dynamic", ""),
        ("weights", "int8-weights", ""),
        ("hybrid-4", "int4-weights", ""),
        ("halves", "fp16", ""),
        ("floats", "int8-dynamic", "convert.precision"),
        ("weights", "int8-dynamic", "convert.precision"),
        ("floats", "fp16", "convert.precision"),
        ("whole", "int4-weights", "convert.precision"),
    ],
)
def test_a_file_may_be_asked_for_in_the_precision_that_it_has(
    tmp_path: Path, store: Path, way: str, precision: str, code: str
) -> None:
    path = write_dense(tmp_path / "net.tflite", way)
    if not code:
        assert taken(path, store, precision).spec.precision == precision
        return
    with pytest.raises(FarmError) as caught:
        taken(path, store, precision)
    assert caught.value.code == code


@pytest.mark.models
def test_a_network_without_weights_keeps_no_promise_about_them(store: Path) -> None:
    path = models_folder() / "nasty" / "lrt_call_once_mul.tflite"
    assert taken(path, store).spec.precision == "fp32"
    with pytest.raises(FarmError) as caught:
        taken(path, store, "int4-weights")
    assert caught.value.code == "convert.nothing-to-quantise"


def test_what_would_need_another_file_is_refused(tmp_path: Path, store: Path) -> None:
    path = write_dense(tmp_path / "net.tflite", "floats")
    with pytest.raises(FarmError) as caught:
        taken(path, store, exclude=("op:FULLY_CONNECTED",))
    assert caught.value.code == "convert.option"
    with pytest.raises(UsageError) as refused:
        convert(inspect_model(path), Recipe("onnx"), store, report=made.quiet)
    assert refused.value.code == "convert.no-edge"
    assert "becomes: tflite" in refused.value.message


def test_files_that_are_no_tflite_are_typed_errors(tmp_path: Path) -> None:
    whole = write_dense(tmp_path / "whole.tflite", "floats").read_bytes()
    path = tmp_path / "net.tflite"
    cases = {"model.empty": b"", "model.corrupt": whole[:200]}
    for code, data in cases.items():
        path.write_bytes(data)
        with pytest.raises(UsageError) as caught:
            inspect_model(path)
        assert caught.value.code == code
    path.write_bytes(made.conv(tmp_path / "net.onnx").read_bytes())
    with pytest.raises(UsageError) as caught:
        inspect_model(path)
    assert caught.value.code == "model.corrupt"


def test_a_file_that_changed_meanwhile_is_noticed(tmp_path: Path, store: Path) -> None:
    path = write_dense(tmp_path / "net.tflite", "floats")
    model = inspect_model(path)
    write_dense(path, "halves")
    with pytest.raises(UsageError) as caught:
        convert(model, Recipe("tflite", seed=7), store, report=made.quiet)
    assert caught.value.code == "model.changed"


REFUSED = {
    "coral_mobilenet_v1_0.25_128_edgetpu": "model.unsupported-op",
    "coral_posenet_decoder": "model.unsupported-op",
    "lrt_0_subgraphs": "model.invalid",
    "lrt_call_once_mul": "",
    "lrt_dynamic_shapes": "runtime.run-failed",
    "lrt_empty_model": "model.invalid",
    "lrt_multi_add_flex": "model.unsupported-op",
    "lrt_multi_signature": "",
    "lrt_nested_while": "",
    "lrt_string_input_model": "model.unsupported-type",
    "lrt_test_model_broken": "model.corrupt",
    "tflm_audio_preprocessor_int8": "model.unsupported-op",
}


@pytest.mark.models
@pytest.mark.parametrize("name", sorted(REFUSED))
def test_every_odd_tflite_file_works_or_says_why_not(tmp_path: Path, store: Path, name: str) -> None:
    path = tmp_path / f"{name}.tflite"
    shutil.copy(models_folder() / "nasty" / path.name, path)
    try:
        taken(path, store)
        code = ""
    except FarmError as error:
        code = error.code
    assert code == REFUSED[name]


@pytest.mark.models
def test_every_tflite_model_agrees_with_its_reference_kernels(store: Path) -> None:
    paths = sorted((models_folder() / "tflite").glob("*.tflite"))
    assert len(paths) >= 21
    for path in paths:
        artifact = taken(path, store)
        assert artifact.check is not None, path.name
        assert artifact.check.passed, path.name
        assert artifact.check.proof is not None, path.name
