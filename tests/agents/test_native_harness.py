"""Which loop a block gets, and why it is not the native one."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from array import array
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import capi, check, codec, facts, harness, runtimes
from farm_agent.errors import JobError
from farm_agent.wire import Blob, Golden, JobResult, Tolerance

from .native_parts import NAMES, OPTIONS, inputs_of, packed, sizes, small_model, spec_of, usable
from .parts import artifact, local_agent, small_spec, write_golden, write_model

__all__ = ["packed"]
pytestmark = pytest.mark.usefixtures("packed")


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
    with pytest.raises(JobError, match=r"y differs by 0\.1") as caught:
        check.run(asked)
    assert caught.value.code == "check.native-mismatch"
    assert check.run(replace(asked, harness="python")).ok
