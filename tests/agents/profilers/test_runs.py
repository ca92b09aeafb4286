"""Profiles of real runtimes, in the process that jobs use, and of a whole job."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import codec, facts, identity, job, layers
from farm_agent.errors import MeasurementError
from farm_agent.messages.layers import Layer, LayerProfile
from farm_agent.profilers import Profiled, ProfileRequest, ort
from farm_agent.runtimes import onnxruntime
from farm_agent.wire import ArtifactSpec, Blob, JobResult, JobSpec, TensorMap, TensorSpec
from tests.agents.parts import local_agent, small_spec
from tests.agents.tflite_model import SIZE, write_tflite
from tests.support import need


def write_convolution(path: Path) -> Path:
    """Two convolutions and a mean over [1, 8, 64, 64], which take a while."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = numpy_helper.from_array(np.full((8, 8, 3, 3), 0.01, np.float32), "w")
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], name="first", pads=[1, 1, 1, 1]),
        helper.make_node("Relu", ["a"], ["b"], name="middle"),
        helper.make_node("Conv", ["b", "w"], ["c"], name="second", pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["c"], ["y"], name="mean"),
    ]
    ends = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in (("x", [1, 8, 64, 64]), ("y", [1, 8, 1, 1]))
    ]
    graph = helper.make_graph(nodes, "layers", ends[:1], ends[1:], [weights])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    save(model, str(path))
    return path


def request(model: Path, runtime: str, shape: tuple[int, ...], **changes: Any) -> layers.LayersRequest:
    source = TensorSpec("x", "float32", shape)
    blob = Blob("0" * 64, model.stat().st_size, model.name)
    artifact = ArtifactSpec("any", "fp32", (blob,), (TensorMap(source, source),), ())
    return layers.LayersRequest(runtime, artifact, str(model.parent), {"threads": 1}, **changes)


def ask(folder: Path, asked: layers.LayersRequest) -> layers.LayersResponse:
    agent = local_agent(folder)
    (folder / "asked.json").write_text(codec.dumps(asked))
    words = ["_layers", str(folder / "asked.json"), str(folder / "answered.json")]
    argv = [sys.executable, str(agent.zipapp), *words]
    done = subprocess.run(argv, capture_output=True, timeout=120, check=False)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr.decode()
    return codec.loads(layers.LayersResponse, (folder / "answered.json").read_text())


def profile(folder: Path, asked: layers.LayersRequest) -> LayerProfile:
    need(facts.probe(asked.runtime).version, f"{asked.runtime} is not installed")
    response = ask(folder, asked)
    assert response.failure is None, response.failure
    assert response.layers is not None
    return response.layers


def check_times(found: LayerProfile) -> list[Layer]:
    """What holds of every profile; the layers that ran."""
    assert found.problem == ""
    assert found.runs >= 5
    assert found.sum_us is not None
    assert found.inference_us is not None
    assert found.clean_us is not None
    assert found.sum_us > 0
    ran = [layer for layer in found.layers if layer.status == "run"]
    assert all(layer.mean_us is not None and layer.count >= 1 for layer in ran)
    return ran


def test_onnx_runtime_times_every_kernel_and_names_its_provider(tmp_path: Path) -> None:
    model = write_convolution(tmp_path / "model.onnx")
    found = profile(tmp_path, request(model, "onnxruntime", (1, 8, 64, 64)))
    ran = check_times(found)
    assert (found.source, found.asked_unit) == ("ort", "CPUExecutionProvider")
    convolutions = [layer for layer in ran if "Conv" in layer.op_type]
    assert len(convolutions) == 2
    assert {layer.unit for layer in ran} == {"CPUExecutionProvider"}
    assert {layer.precision for layer in convolutions} == {"fp32"}
    assert all(layer.count == found.runs for layer in ran)


def test_openvino_names_kernels_and_what_did_not_run(tmp_path: Path) -> None:
    model = write_convolution(tmp_path / "model.onnx")
    found = profile(tmp_path, request(model, "openvino", (1, 8, 64, 64)))
    ran = check_times(found)
    assert (found.source, found.asked_unit) == ("ov", "CPU")
    convolutions = [layer for layer in ran if layer.op_type == "Convolution"]
    assert len(convolutions) == 2
    assert all(layer.kernel and layer.precision == "fp32" for layer in convolutions)
    assert any(layer.status == "not_run" for layer in found.layers)


def test_litert_tells_the_delegates_operators_from_those_that_it_left(tmp_path: Path) -> None:
    need(facts.probe("litert").version.startswith("ai-edge-litert"), "ai-edge-litert is not installed")
    model = write_tflite(tmp_path / "model.tflite")
    found = profile(tmp_path, request(model, "litert", (1, SIZE)))
    assert (found.source, found.asked_unit, found.problem) == ("litert", "delegate", "")
    kinds = {layer.op_type: layer for layer in found.layers}
    assert (kinds["Fully Connected"].unit, kinds["Fully Connected"].precision) == ("delegate", "fp32")
    assert kinds["CUMSUM"].unit == "builtin"
    assert all(layer.count == found.runs for layer in found.layers)


def test_a_runtime_without_profiler_is_a_problem_with_its_reason(tmp_path: Path) -> None:
    model = write_convolution(tmp_path / "model.onnx")
    response = ask(tmp_path, request(model, "tensorrt", (1, 8, 64, 64)))
    assert response.layers is None
    assert response.failure is not None
    assert response.failure.code == "layers.no-profiler"


def test_a_job_is_profiled_beside_its_blocks_when_asked_to(tmp_path: Path) -> None:
    need(facts.probe("onnxruntime").version, "onnxruntime is not installed")
    agent = local_agent(tmp_path)
    agent.start(small_spec(agent, tmp_path, profile_ops=True))
    agent.wait_for("job-1")
    result = agent.ask("result", "job-1")["result"]
    assert result["outcome"] == "ok", result["failure"]
    assert len(result["blocks"]) == 2
    assert [layer["op_type"] for layer in result["layers"]["layers"]]
    assert result["layers"]["source"] == "ort"


class Keeper:
    """The supervisor's side of a step."""

    def __init__(self, spec: JobSpec) -> None:
        self.result = job.blank(spec, "")
        self.logged = ""

    def emit(self, kind: str, data: dict[str, Any]) -> None: ...

    def note_versions(self, versions: dict[str, str]) -> None: ...

    def keep(self, result: JobResult) -> None:
        self.result = result

    def log(self, text: str) -> None:
        self.logged += text


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("kill -SEGV $$", "killed by SIGSEGV"),
        ("echo cannot bind >&2; exit 3", "exit status 3: cannot bind"),
        ("exit 0", "ended without a response"),
        ('echo "{" > "$1"', "ended without a response"),
    ],
)
def test_a_profiler_that_dies_is_a_problem_of_the_profile_alone(
    script: str, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent = local_agent(tmp_path)
    spec = small_spec(agent, tmp_path, profile_ops=True)
    keeper = Keeper(spec)
    folder = tmp_path / "jobs" / "job-1"
    folder.mkdir(parents=True)
    monkeypatch.setattr(identity, "agent_argv", lambda *words: ["sh", "-c", script, "sh", str(words[-1])])
    layers.run(keeper, spec, folder)
    assert keeper.result.layers is not None
    assert reason in keeper.result.layers.problem
    assert keeper.result.layers.layers == ()


def test_of_a_huge_network_the_slowest_layers_stay_and_the_rest_keeps_its_sum() -> None:
    many = tuple(Layer(index, str(index), "Op", mean_us=float(index)) for index in range(3000))
    kept = layers.bounded(many)
    assert len(kept) == layers.MOST_ROWS + 1
    assert kept[-1].name == "(1000 more layers)"
    assert sum(layer.mean_us or 0 for layer in kept) == sum(layer.mean_us or 0 for layer in many)


@pytest.mark.parametrize("layer", [(), (Layer(0, "mlp", "Subgraph", status="unprofilable"),)])
def test_a_profile_without_a_time_says_so(layer: tuple[Layer, ...]) -> None:
    found = layers.summary("ov", Profiled(layer, (), (5.0,)), 4.0)
    assert found.problem
    assert found.sum_us is None


def test_a_profile_that_is_too_large_is_taken_of_fewer_inferences(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(facts.probe("onnxruntime").version, "onnxruntime is not installed")
    model = write_convolution(tmp_path / "model.onnx")
    monkeypatch.setattr(ort, "PROFILE_LIMIT_BYTES", 20_000)
    session = onnxruntime.open(str(model), {"threads": 1})
    feed = {"x": np.zeros((1, 8, 64, 64), np.float32)}
    found = ort.profile(session, ProfileRequest(str(model), {}, feed, warmup=5, runs=30))
    assert len(found.wholes_us) == 2
    assert {layer.count for layer in found.layers} == {2}
    monkeypatch.setattr(ort, "PROFILE_LIMIT_BYTES", 100)
    with pytest.raises(MeasurementError):
        ort.profile(session, ProfileRequest(str(model), {}, feed, warmup=5, runs=30))
