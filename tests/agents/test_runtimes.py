"""One conformance test over every runtime found, and what each tells about itself."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import check, codec, facts, faults, memory, runtimes, sysfs, trace
from farm_agent.errors import JobError
from farm_agent.wire import ArtifactSpec, Blob, Golden, Tolerance
from tests.support import need

from .parts import artifact, local_agent, write_golden, write_model

# The runtimes that read an ONNX file directly.
READS_ONNX = ("onnxruntime", "openvino")


def usable(name: str) -> Any:
    found = facts.probe(name)
    need(found.version, f"{name} is not installed: {found.unavailable}")
    return runtimes.load(name)


def request(folder: Path, runtime: str, **changes: Any) -> check.CheckRequest:
    model = write_model(folder / "model.onnx")
    blob = Blob("0" * 64, model.stat().st_size, model.name)
    golden = write_golden(folder / "golden.npz")
    values: dict[str, Any] = {
        "golden": Golden(Blob("0" * 64, 1, golden.name), 2, Tolerance(1e-5, 1e-5)),
        "golden_path": str(golden),
        "options": {"threads": 1},
        **changes,
    }
    return check.CheckRequest(runtime=runtime, artifact=artifact(blob), directory=str(folder), **values)


@pytest.mark.parametrize("name", runtimes.names())
def test_a_runtime_that_is_not_installed_costs_no_process(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The reason is the one that a process of its own would find."""
    packages = runtimes.load(name).PACKAGES
    imported = [module for module in sys.modules if module.partition(".")[0] in packages]
    for module in {*packages, *imported}:
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))

    found = facts.probe(name)

    assert (found.name, found.version) == (name, "")
    assert found.unavailable
    assert found.fix


def ask(folder: Path, asked: check.CheckRequest) -> check.CheckResponse:
    """Through the process, as everybody else does."""
    agent = local_agent(folder)
    (folder / "request.json").write_text(codec.dumps(asked))
    argv = [
        sys.executable,
        str(agent.zipapp),
        "_check",
        str(folder / "request.json"),
        str(folder / "out.json"),
    ]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()
    return codec.loads(check.CheckResponse, (folder / "out.json").read_text())


def test_runtimes_are_listed_without_importing_them() -> None:
    code = (
        "import sys; from farm_agent import runtimes; print(runtimes.names());"
        "print(sorted({'numpy', 'onnxruntime', 'openvino', 'ai_edge_litert'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["('litert', 'onnxruntime', 'openvino', 'tensorrt')", "[]"]


@pytest.mark.parametrize("name", runtimes.names())
def test_every_runtime_says_whether_it_works_and_refuses_what_is_no_model(name: str, tmp_path: Path) -> None:
    found = facts.probe(name)
    assert bool(found.version) != bool(found.unavailable)
    path = tmp_path / "model.bin"
    path.write_bytes(b"this is no model" * 10)
    with pytest.raises(JobError) as caught:
        runtimes.load(name).open(str(path), {"threads": 1, "precision": "fp32"})
    assert caught.value.code.split(".")[0] in ("runtime", "model")
    assert caught.value.fix
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("name", READS_ONNX)
def test_outputs_are_those_of_the_source_model(name: str, tmp_path: Path) -> None:
    usable(name)
    response = ask(tmp_path, request(tmp_path, name, outputs_path=str(tmp_path / "outputs.npz")))
    assert response.failure is None
    assert response.check is not None
    assert (response.check.passed, response.check.samples) == (True, 2)
    assert response.proof is not None
    assert response.proof.executed == "fp32"
    assert [(spec.name, spec.dtype, spec.shape) for spec in response.outputs] == [("y", "float32", (1, 3))]
    with np.load(tmp_path / "outputs.npz") as outputs:
        assert sorted(outputs) == ["out.0.0", "out.1.0"]
        assert outputs["out.1.0"].tolist() == [[36.0, 44.0, 52.0]]


@pytest.mark.parametrize("name", READS_ONNX)
def test_without_golden_data_the_model_runs_once_and_nothing_is_claimed(name: str, tmp_path: Path) -> None:
    usable(name)
    asked = request(tmp_path, name, golden=None, golden_path=None, outputs_path=str(tmp_path / "o.npz"))
    response = ask(tmp_path, asked)
    assert response.ok
    assert response.check is None
    with np.load(tmp_path / "o.npz") as outputs:
        assert outputs["out.0.0"].tolist() == [[0.0, 0.0, 0.0]]


@pytest.mark.parametrize("name", READS_ONNX)
def test_the_bound_call_infers_on_what_was_bound_last(name: str, tmp_path: Path) -> None:
    module = usable(name)
    session = module.open(str(write_model(tmp_path / "model.onnx")), {"threads": 1, "precision": "fp32"})
    assert [(spec.name, spec.shape) for spec in session.inputs()] == [("x", (1, 4))]
    for value in (1.0, 2.0):
        session.bind({"x": np.full((1, 4), value, np.float32)})
        call = session.call
        call()
        call()
        assert session.fetch()["y"].tolist() == [[18.0 * value, 22.0 * value, 26.0 * value]]
    with pytest.raises(JobError) as caught:
        session.bind({"z": np.zeros((1, 4), np.float32)})
    assert caught.value.code == "input.missing"
    session.close()


def test_precision_is_pinned_in_openvino(tmp_path: Path) -> None:
    """Left alone, OpenVINO computes in bfloat16 on CPUs that can, and says nothing."""
    module = usable("openvino")
    session = module.open(str(write_model(tmp_path / "model.onnx")), {"threads": 1, "precision": "fp32"})
    session.bind({"x": np.zeros((1, 4), np.float32)})
    proof = session.proof()
    assert "f32" in proof.source or "float" in proof.source
    assert set(proof.operators) <= {"fp32", "other"}


def test_a_provider_that_is_not_there_is_refused(tmp_path: Path) -> None:
    module = usable("onnxruntime")
    options = {"threads": 1, "provider": "NoSuchExecutionProvider"}
    with pytest.raises(JobError) as caught:
        module.open(str(write_model(tmp_path / "model.onnx")), options)
    assert caught.value.code == "runtime.provider"
    assert "CPUExecutionProvider" in caught.value.message


def test_a_model_newer_than_the_runtime_is_named_so(tmp_path: Path) -> None:
    module = usable("onnxruntime")
    path = write_model(tmp_path / "model.onnx", ir_version=99)
    with pytest.raises(JobError) as caught:
        module.open(str(path), {"threads": 1})
    assert caught.value.code == "runtime.model-too-new"


def test_an_artifact_whose_outputs_are_not_there_is_refused(tmp_path: Path) -> None:
    usable("onnxruntime")
    asked = request(tmp_path, "onnxruntime")
    other = codec.encode(asked.artifact)
    other["outputs"][0]["artifact"]["name"] = "z"
    changed = codec.decode(check.CheckRequest, {**codec.encode(asked), "artifact": other})
    response = ask(tmp_path, changed)
    assert not response.ok
    assert response.failure is not None
    assert response.failure.code == "check.output-missing"


def test_a_request_for_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    asked = request(tmp_path, "onnxruntime")
    outside = ArtifactSpec("onnx", "fp32", (Blob("0" * 64, 1, "../model.onnx"),), (), ())
    changed = codec.decode(check.CheckRequest, {**codec.encode(asked), "artifact": codec.encode(outside)})
    response = ask(tmp_path, changed)
    assert response.failure is not None
    assert response.failure.code == "agent.bad-name"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Encountered unresolved custom op: ONNX_LSTM.", "runtime.unsupported-op"),
        ("9 : NOT_IMPLEMENTED : Could not find an implementation for MatMul(13)", "runtime.unsupported-op"),
        ("Select TensorFlow op(s), ... apply/link the Flex delegate before", "runtime.unsupported-op"),
        ("Didn't find op for builtin opcode 'CONV_2D' version '6'", "runtime.model-too-new"),
        ("std::bad_alloc", "runtime.out-of-memory"),
        ("7 : INVALID_PROTOBUF : Load model from x failed", "model.unreadable"),
        ("something new", "runtime.load-failed"),
    ],
)
def test_what_runtimes_say_gets_a_stable_code(text: str, code: str) -> None:
    assert faults.runtime_error("R", "load", RuntimeError(text)).code == code


def test_a_profile_is_counted_by_the_precision_that_computed(tmp_path: Path) -> None:
    def node(name: str, op: str, reads: str, writes: str) -> dict[str, Any]:
        args = {"op_name": op, "node_index": name}
        args["input_type_shape"] = [{reads: [1, 4]}]  # type: ignore[assignment]
        args["output_type_shape"] = [{writes: [1, 4]}]  # type: ignore[assignment]
        return {"cat": "Node", "name": f"{name}_kernel_time", "args": args}

    events = [
        node("a", "Cast", "float16", "float"),
        node("b", "Cast", "float16", "float"),
        node("c", "Conv", "float", "float"),
        node("c", "Conv", "float", "float"),
        node("d", "QLinearConv", "uint8", "uint8"),
        node("e", "MatMulInteger", "uint8", "int32"),
        node("f", "TopK", "int64", "int64"),
        {"cat": "Session", "name": "model_run", "args": {}},
        {"cat": "Node", "name": "x_fence_before", "args": {}},
    ]
    path = tmp_path / "profile.json"
    path.write_text(json.dumps(events))
    proof = trace.ort_precisions(path)
    assert proof is not None
    assert (proof.executed, proof.operators) == ("int8", {"fp32": 3, "int8": 2, "other": 1})
    path.write_text("not json")
    assert trace.ort_precisions(path) is None


def test_memory_is_read_from_the_kernels_own_words() -> None:
    status = (
        "Name:\tpython\nVmPeak:\t 900000 kB\nVmHWM:\t   61696 kB\nVmRSS:\t   60000 kB\nVmSwap:\t       4 kB\n"
    )
    rollup = "555a-7fff ---p 00000000 00:00 0 [rollup]\nRss: 1696 kB\n"
    rollup += "Pss: 281 kB\nPrivate_Clean: 44 kB\nPrivate_Dirty: 112 kB\n"
    phase = memory.parse("loaded", status, rollup)
    assert (phase.rss_bytes, phase.peak_rss_bytes) == (60000 * 1024, 61696 * 1024)
    assert (phase.pss_bytes, phase.uss_bytes, phase.swap_bytes) == (281 * 1024, 156 * 1024, 4096)
    old = memory.parse("loaded", status, None)
    assert (old.pss_bytes, old.uss_bytes) == (None, None)
    assert memory.parse("loaded", None, None).peak_rss_bytes is None


def test_pressure_is_read_from_the_kernels_own_words() -> None:
    text = "some avg10=97.31 avg60=72.78 avg300=32.66 total=191290105\nfull avg10=0.00 avg60=0.00 total=7"
    assert sysfs.cpu_pressure_pct(text) == 97.31
    assert sysfs.cpu_pressure_pct("") is None


def test_a_runtime_that_crashes_while_it_is_imported_is_unavailable_with_the_reason() -> None:
    found = facts.parse_probe("openvino", -4, b"", b"Illegal instruction")
    assert (found.version, found.unavailable) == ("", "importing it ended with signal 4 Illegal instruction")
    garbled = facts.parse_probe("openvino", 0, b"hello\n", b"")
    assert garbled.unavailable.startswith("importing it ended with exit status 0")
