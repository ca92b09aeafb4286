"""Sessions over the runtimes' C entry points: the same outputs as Python's, and why there is none."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farm_agent import capi, check, codec, facts, harness, native, native_build, runtimes
from farm_agent.capi import openvino as openvino_c
from farm_agent.errors import JobError
from farm_agent.wire import ArtifactSpec, Blob, Golden, JobResult, TensorMap, TensorSpec, Tolerance
from tests.support import ROOT, need

from .parts import artifact, local_agent, small_spec, write_golden, write_model
from .tflite_model import write_tflite

NAMES = ("litert", "onnxruntime", "openvino")
MODELS = Path(os.environ.get("FARM_MODELS", ROOT.parent / "shared" / "models"))
# Larger ones add minutes and nothing new.
MOST_BYTES = 3_000_000
OPTIONS = {"threads": 1, "precision": "fp32"}


def real_models() -> list[tuple[str, str]]:
    """Every small real model with every runtime that reads its format."""
    readers = {"onnx": ("onnxruntime", "openvino"), "tflite": ("litert",)}
    return [
        (path.relative_to(MODELS).as_posix(), name)
        for kind, names in readers.items()
        for path in sorted((MODELS / kind).glob(f"*.{kind}"))
        if path.stat().st_size <= MOST_BYTES
        for name in names
    ]


@pytest.fixture(autouse=True)
def packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The native loop where the packed agent would find it."""
    try:
        binaries = native_build.binaries()
    except native_build.NotBuilt as reason:
        need(condition=False, reason=str(reason))
    monkeypatch.setattr(
        native, "_resource", lambda name: binaries.get(Path(name).stem) if name.endswith(".so") else None
    )


def usable(name: str) -> Any:
    found = facts.probe(name)
    need(found.version, f"{name} is not installed: {found.unavailable}")
    return runtimes.load(name)


def sizes(session: Any) -> dict[str, tuple[int, ...]]:
    """What a conversion would know: every tensor's size for zeros with free dimensions of one."""
    inputs = {spec.name: tuple(abs(size) for size in spec.shape) for spec in session.inputs()}
    session.bind({spec.name: np.zeros(inputs[spec.name], spec.dtype) for spec in session.inputs()})
    session.call()
    return {**inputs, **{name: array.shape for name, array in session.fetch().items()}}


def inputs_of(session: Any, known: dict[str, tuple[int, ...]], seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        spec.name: np.asarray(
            random.standard_normal(known[spec.name])
            if spec.dtype.startswith("float")
            else random.integers(0, 2, known[spec.name])
        ).astype(spec.dtype)
        for spec in session.inputs()
    }


def agree(name: str, path: Path) -> Any:
    """Three inputs through both sessions and the native loop; the native session."""
    python = usable(name).open(str(path), OPTIONS)
    try:
        known = sizes(python)
    except Exception as error:  # noqa: BLE001 - a runtime may raise anything
        pytest.skip(f"the Python session cannot run it on zeros: {str(error)[:80]}")
    python = usable(name).open(str(path), OPTIONS)  # a LiteRT model may keep a state
    entry = capi.load(name)
    session = entry.open(entry.library(), str(path), OPTIONS, known)
    for mine, theirs in zip(
        (*session.inputs(), *session.outputs()), (*python.inputs(), *python.outputs()), strict=True
    ):
        assert (mine.name, mine.dtype) == (theirs.name, theirs.dtype)
    for seed in range(3):
        feed = inputs_of(python, known, seed)
        session.bind(feed)
        python.bind(feed)
        session.call()
        python.call()
        _same(session.fetch(), python.fetch())
        loop = native.NativeLoop(native.load(), session.native_call, session)
        assert loop.run(array("q", bytes(16 * 3)), 0, 3, 1 << 62) == 3
        for _ in range(3):
            python.call()
        _same(session.fetch(), python.fetch())
    return session


def _same(got: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert list(got) == list(wanted)
    for output, values in wanted.items():
        assert got[output].dtype == values.dtype
        np.testing.assert_array_equal(got[output], values, err_msg=output)


def small_model(name: str, folder: Path) -> Path:
    if name == "litert":
        usable(name)
        return write_tflite(folder / "model.tflite")
    return write_model(folder / "model.onnx")


def spec_of(path: Path, known: dict[str, tuple[int, ...]]) -> ArtifactSpec:
    maps = tuple(
        TensorMap(TensorSpec(name, "float32", shape), TensorSpec(name, "float32", shape))
        for name, shape in known.items()
    )
    return ArtifactSpec("any", "fp32", (Blob("0" * 64, 1, path.name),), maps[:1], maps[1:])


@pytest.mark.parametrize("name", NAMES)
def test_outputs_are_those_of_the_python_session(name: str, tmp_path: Path) -> None:
    usable(name)
    session = agree(name, small_model(name, tmp_path))
    with pytest.raises(JobError) as caught:
        session.bind({"no input": np.zeros(1, np.float32)})
    assert caught.value.code in ("input.missing", "runtime.bind-failed")
    session.close()
    session.close()


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_many_types_free_sizes_and_scalars_pass_unharmed(name: str, tmp_path: Path) -> None:
    usable(name)
    agree(name, _typed_model(tmp_path / "typed.onnx")).close()


def _typed_model(path: Path) -> Path:
    """Inputs of six types, one of rank 0 and one of a free size; each comes out changed."""
    from onnx import TensorProto as T
    from onnx import helper, save

    kinds = {"a": T.FLOAT, "b": T.INT64, "c": T.INT32, "d": T.UINT8, "e": T.BOOL, "f": T.DOUBLE}
    shapes: dict[str, list[Any]] = {"a": [], "b": ["n", 3], "c": [2], "d": [1, 5], "e": [4], "f": [2, 2]}
    nodes = [
        helper.make_node("Not" if key == "e" else "Identity" if key == "d" else "Neg", [key], [f"{key}2"])
        for key in kinds
    ]
    graph = helper.make_graph(
        nodes,
        "typed",
        [helper.make_tensor_value_info(key, kind, shapes[key]) for key, kind in kinds.items()],
        [helper.make_tensor_value_info(f"{key}2", kind, shapes[key]) for key, kind in kinds.items()],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


@pytest.mark.models
@pytest.mark.parametrize(("path", "name"), real_models(), ids=str)
def test_real_models_give_equal_outputs(path: str, name: str) -> None:
    try:
        agree(name, MODELS / path).close()
    except native.Unavailable as reason:
        if name != "litert":  # the only one that must know sizes
            raise
        pytest.skip(str(reason))
    except JobError as error:
        # One that a runtime cannot load, or whose operators LiteRT's compiled model does not take.
        pytest.skip(error.message)


def test_a_failing_inference_is_told_in_the_runtimes_words(tmp_path: Path) -> None:
    usable("onnxruntime")
    entry = capi.load("onnxruntime")
    session = entry.open(entry.library(), str(_gather(tmp_path / "gather.onnx")), OPTIONS, {})
    session.bind({"x": np.array([9], np.int64)})
    loop = native.NativeLoop(native.load(), session.native_call, session)
    rows = array("q", bytes(16 * 5))
    for infer in (session.call, lambda: loop.run(rows, 0, 5, 1 << 62)):
        with pytest.raises(JobError, match="indices element out of data bounds, idx=9") as caught:
            infer()
        assert caught.value.code == "runtime.run-failed"
    session.bind({"x": np.array([2], np.int64)})
    assert loop.run(rows, 0, 5, 1 << 62) == 5
    assert session.fetch()["y"].tolist() == [30.0]
    session.close()


def _gather(path: Path) -> Path:
    from onnx import TensorProto, helper, numpy_helper, save

    graph = helper.make_graph(
        [helper.make_node("Gather", ["w", "x"], ["y"])],
        "gather",
        [helper.make_tensor_value_info("x", TensorProto.INT64, [1])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1])],
        [numpy_helper.from_array(np.array([10, 20, 30], np.float32), "w")],
    )
    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
    return path


@pytest.mark.parametrize("name", NAMES)
def test_what_is_no_model_is_refused_as_in_python(name: str, tmp_path: Path) -> None:
    module = usable(name)
    path = tmp_path / "model.bin"
    path.write_bytes(b"this is no model" * 10)
    with pytest.raises(JobError) as caught:
        harness.open_session(module, spec_of(path, {}), str(tmp_path), OPTIONS, "native")
    assert caught.value.code.split(".")[0] in ("runtime", "model")
    with pytest.raises(JobError) as caught:
        harness.open_session(module, spec_of(path, {}), str(tmp_path), OPTIONS, "auto")
    assert caught.value.code.split(".")[0] in ("runtime", "model")


@pytest.mark.parametrize("name", NAMES)
def test_the_harness_that_was_asked_for_is_the_one_used(name: str, tmp_path: Path) -> None:
    module = usable(name)
    path = small_model(name, tmp_path)
    known = sizes(module.open(str(path), OPTIONS))
    for asked, used in (("auto", "native"), ("native", "native"), ("python", "python")):
        session, fallback = harness.open_session(module, spec_of(path, known), str(tmp_path), OPTIONS, asked)
        session.bind(inputs_of(session, known, 0))
        loop = harness.loop_of(session, fallback)
        assert (loop.harness, loop.fallback) == (used, "")
        assert loop.run(array("q", bytes(16 * 4)), 0, 4, 1 << 62, 2) == 4
        session.close()


@pytest.mark.parametrize(
    ("name", "options", "reason"),
    [
        ("onnxruntime", {"provider": "AzureExecutionProvider"}, "AzureExecutionProvider is called through"),
        ("openvino", {"device": "GPU"}, "OpenVINO's GPU is called through Python"),
        ("tensorrt", {}, "tensorrt has no native entry point"),
    ],
)
def test_what_only_python_can_set_up_has_no_native_loop(
    name: str, options: dict[str, str], reason: str, tmp_path: Path
) -> None:
    path = write_model(tmp_path / "model.onnx")
    with pytest.raises(JobError, match=reason) as caught:
        harness.open_session(
            runtimes.load(name), spec_of(path, {}), str(tmp_path), {**OPTIONS, **options}, "native"
        )
    assert caught.value.code == "harness.no-native"
    assert "--harness auto" in caught.value.fix


@pytest.mark.parametrize("name", ["onnxruntime", "openvino"])
def test_a_wheel_without_its_library_falls_back_with_the_reason(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, path = usable(name), write_model(tmp_path / "model.onnx")
    monkeypatch.setattr(importlib.util, "find_spec", _without_packages(importlib.util.find_spec))
    session, fallback = harness.open_session(module, spec_of(path, {}), str(tmp_path), OPTIONS, "auto")
    assert fallback.startswith(f"this {name} comes without ")
    session.bind({"x": np.ones((1, 4), np.float32)})
    loop = harness.loop_of(session, fallback)
    assert (loop.harness, loop.fallback) == ("python", fallback)


def _without_packages(real: Any) -> Any:
    def find(name: str) -> Any:
        return real(name) if name.startswith("farm_agent") else None

    return find


def test_litert_needs_sizes_and_a_release_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = usable("litert")
    path = small_model("litert", tmp_path)
    session, fallback = harness.open_session(module, spec_of(path, {}), str(tmp_path), OPTIONS, "auto")
    assert fallback.startswith("the file does not tell the size of x")
    assert harness.loop_of(session, fallback).harness == "python"
    larger: dict[str, tuple[int, ...]] = {"x": (1, 256), "y": (7, 256)}
    _, fallback = harness.open_session(module, spec_of(path, larger), str(tmp_path), OPTIONS, "auto")
    assert fallback.startswith("the file does not tell the size of y")
    monkeypatch.setattr(capi.load("litert").metadata, "version", lambda _: "9.9.9")
    _, fallback = harness.open_session(module, spec_of(path, larger), str(tmp_path), OPTIONS, "auto")
    assert fallback.startswith("the C API of ai-edge-litert 9.9.9 is not known to this agent")


def test_other_outputs_through_c_stop_the_job_before_it_is_timed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usable("onnxruntime")
    model, golden = write_model(tmp_path / "model.onnx"), write_golden(tmp_path / "golden.npz")
    asked = check.CheckRequest(
        runtime="onnxruntime",
        artifact=artifact(Blob("0" * 64, 1, model.name)),
        directory=str(tmp_path),
        golden=Golden(Blob("0" * 64, 1, golden.name), 2, Tolerance(1e-5, 1e-5)),
        golden_path=str(golden),
        options=OPTIONS,
        harness="auto",
    )
    assert check.run(asked).ok
    session = capi.load("onnxruntime").Session
    fetch = session.fetch
    monkeypatch.setattr(session, "fetch", lambda self: {k: v + 0.1 for k, v in fetch(self).items()})
    with pytest.raises(JobError, match="y differs by 0.1") as caught:
        check.run(asked)
    assert caught.value.code == "check.native-mismatch"
    assert check.run(replace(asked, harness="python")).ok


HEADER = """
typedef enum {
    DYNAMIC = 0U,  //!< Dynamic, element type
    BOOLEAN,       //!< boolean
    /* two, in one comment */
    BF16, F16, F32,
} ov_element_type_e;
"""


def test_element_types_are_those_of_the_header(tmp_path: Path) -> None:
    path = tmp_path / "ov_common.h"
    path.write_text(HEADER)
    assert openvino_c.element_types(path) == {1: "bool", 3: "float16", 4: "float32"}
    # As until 2024: one more at the beginning moves all numbers.
    path.write_text(HEADER.replace("DYNAMIC = 0U,", "UNDEFINED = 0U, DYNAMIC,"))
    assert openvino_c.element_types(path) == {2: "bool", 4: "float16", 5: "float32"}
    for text in ("", HEADER.replace("= 0U", "= 1U"), HEADER.replace("BF16", "BF16 = 9")):
        path.write_text(text)
        with pytest.raises(native.Unavailable, match="cannot be understood"):
            openvino_c.element_types(path)


@settings(deadline=None, max_examples=200)
@given(st.text(alphabet="enum {}ov_lt=0U,/*\n;F3BOLAtyps", max_size=200))
def test_any_header_is_read_or_refused(text: str) -> None:
    path = Path(os.environ["HOME"]) / "header.h"
    path.write_text(text + HEADER[: len(text)])
    try:
        found = openvino_c.element_types(path)
    except native.Unavailable:
        return
    assert set(found.values()) <= set(openvino_c.DTYPES.values())


def test_a_job_is_timed_natively_and_says_so(tmp_path: Path) -> None:
    usable("onnxruntime")
    agent = local_agent(tmp_path)
    for job, asked, used in (("job-1", "auto", "native"), ("job-2", "python", "python")):
        agent.start(small_spec(agent, tmp_path, job, harness=asked))
        agent.wait_for(job)
        result = codec.decode(JobResult, agent.ask("result", job)["result"])
        assert (result.outcome, result.failure) == ("ok", None)
        assert {(block.harness, block.fallback) for block in result.blocks} == {(used, "")}
        agent.ask("ack", job, agent.ask("result", job)["sha256"])


@pytest.mark.parametrize("name", NAMES)
def test_a_native_block_does_not_import_the_python_package(name: str, tmp_path: Path) -> None:
    module = usable(name)
    path = small_model(name, tmp_path)
    known = sizes(module.open(str(path), OPTIONS))
    (tmp_path / "spec.json").write_text(codec.dumps(spec_of(path, known)))
    code = """
import json, sys
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from farm_agent import codec, harness, runtimes
from farm_agent.wire import ArtifactSpec
module = runtimes.load(sys.argv[2])
options = {"threads": 1, "precision": "fp32"}
version = harness.probe(module, options, "auto").version
artifact = codec.loads(ArtifactSpec, Path("spec.json").read_text())
session, fallback = harness.open_session(module, artifact, ".", options, "native")
print(json.dumps([version, fallback, sorted(set(module.PACKAGES) & set(sys.modules))]))
"""
    argv = [sys.executable, "-c", code, str(local_agent(tmp_path).zipapp), name]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [facts.probe(name).version, "", []]
