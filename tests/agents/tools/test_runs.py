"""Tools as jobs: the two that come with wheels for real, the others as programs that print real text."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import codec, facts, tools
from farm_agent.errors import JobError
from farm_agent.tools import ToolJob, benchmark_app, benchmark_model, litert_benchmark, perf_test, trtexec
from farm_agent.wire import ArtifactSpec, BlockPlan, Golden, JobResult, TensorMap, TensorSpec, Tolerance
from tests.agents.parts import Agent, local_agent, small_spec
from tests.agents.tflite_model import SIZE, write_tflite
from tests.support import need

from .parts import SAMPLES

ONE_SECOND = BlockPlan(blocks=1, min_time_ns=1_000_000_000, min_runs=60, max_time_ns=2_000_000_000)
JOB = ToolJob("/m/model.onnx", "/m/tool", 2, "fp32", 5.0, 100, 60.0)


@pytest.fixture(name="programs")
def fixture_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in front of everything else on the PATH that the agent sees."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


def program(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def prints(folder: Path, name: str, text: str, *, after: str = "") -> None:
    """A program that notes its arguments and prints a text of a real one."""
    program(folder, name, f'printf "%s\\n" "$@" > {folder}/arguments\ncat {SAMPLES / text}\n{after}')


def run(agent: Agent, folder: Path, **changes: Any) -> JobResult:
    spec = small_spec(agent, folder, plan=changes.pop("plan", ONE_SECOND), **changes)
    agent.start(spec)
    agent.wait_for(spec.job_id)
    return codec.decode(JobResult, agent.ask("result", spec.job_id)["result"])


def failure(agent: Agent, folder: Path, **changes: Any) -> tuple[str, str]:
    result = run(agent, folder, **changes)
    assert (result.outcome, result.tool) == ("failed", None)
    assert result.failure is not None
    assert result.failure.fix
    return result.failure.code, result.failure.message


def long_enough(agent: Agent, folder: Path) -> dict[str, Any]:
    """Artifact and golden samples of y = x @ w over [64, 512] and [512, 512]: longer than the 10 µs to which
    benchmark_app rounds, on any machine."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.eye(512, dtype=np.float32)
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [64, 512]) for name in ("x", "y")]
    nodes = [helper.make_node("MatMul", ["x", "w"], ["y"])]
    graph = helper.make_graph(nodes, "long", ends[:1], ends[1:], [numpy_helper.from_array(weights, "w")])
    opsets = [helper.make_opsetid("", 17)]
    save(helper.make_model(graph, opset_imports=opsets, ir_version=9), str(folder / "long.onnx"))
    x = np.ones((64, 512), np.float32)
    arrays: dict[str, Any] = {"in.0.0": x, "out.0.0": x}
    np.savez(folder / "long.npz", **arrays)
    blob, samples = agent.put(folder / "long.onnx"), agent.put(folder / "long.npz")
    source, answer = (TensorSpec(name, "float32", (64, 512)) for name in ("x", "y"))
    artifact = ArtifactSpec(
        "onnx", "fp32", (blob,), (TensorMap(source, source),), (TensorMap(answer, answer),)
    )
    return {"artifact": artifact, "golden": Golden(samples, 1, Tolerance(1e-6, 1e-6))}


def test_the_real_benchmark_app_measures_a_job(tmp_path: Path) -> None:
    need(facts.probe("openvino").version, "openvino is not installed")
    agent = local_agent(tmp_path)
    spec = small_spec(agent, tmp_path, runtime="openvino", tool="benchmark_app", plan=ONE_SECOND)
    agent.start(replace(spec, **long_enough(agent, tmp_path)))
    agent.wait_for(spec.job_id)
    result = codec.decode(JobResult, agent.ask("result", spec.job_id)["result"])
    assert result.outcome == "ok", result.failure
    report = result.tool
    assert report is not None
    assert report.protocol.startswith("benchmark_app/20")
    assert result.blocks == ()
    assert result.check is not None
    assert result.check.passed
    assert report.median_ns is not None
    assert report.min_ns is not None
    assert report.max_ns is not None
    assert 0 < report.min_ns <= report.median_ns <= report.max_ns
    assert report.count is not None
    assert report.count >= 1
    assert report.details["mode"] == "synchronously"
    assert report.executed_precision == "fp32"
    assert "-infer_precision" in report.argv
    # Watched from its start to its end.
    assert report.observed is not None
    assert report.observed.elapsed_ns > 1_000_000_000
    assert report.observed.own_cpu_ns is not None
    assert report.observed.own_cpu_ns > 0


def test_the_real_litert_benchmark_measures_a_job_or_says_that_it_is_too_coarse(tmp_path: Path) -> None:
    need(facts.probe("litert").version.startswith("ai-edge-litert"), "ai-edge-litert is not installed")
    agent = local_agent(tmp_path)
    blob = agent.put(write_tflite(tmp_path / "model.tflite"))
    x, y = TensorSpec("x", "float32", (1, SIZE)), TensorSpec("y", "float32", (1, SIZE))
    artifact = ArtifactSpec("tflite", "fp32", (blob,), (TensorMap(x, x),), (TensorMap(y, y),))
    spec = small_spec(agent, tmp_path, runtime="litert", tool="litert-benchmark", plan=ONE_SECOND)
    spec = codec.decode(
        type(spec), {**codec.encode(spec), "artifact": codec.encode(artifact), "golden": None}
    )
    agent.start(spec)
    agent.wait_for(spec.job_id)
    result = codec.decode(JobResult, agent.ask("result", spec.job_id)["result"])
    if result.outcome == "failed":
        assert result.failure is not None
        assert result.failure.code == "tool.too-coarse", result.failure
        return
    assert result.tool is not None
    assert result.tool.protocol.startswith("litert-benchmark/")
    assert result.tool.count == 60
    assert result.tool.resolution_ns == 10_000


def test_a_tool_that_is_not_there_is_an_error_with_the_way_to_get_it(tmp_path: Path) -> None:
    code, message = failure(local_agent(tmp_path), tmp_path, tool="onnxruntime_perf_test")
    assert code == "tool.missing"
    assert "onnxruntime_perf_test" in message


def test_a_tool_on_the_path_is_run_and_its_report_kept(tmp_path: Path, programs: Path) -> None:
    prints(programs, "onnxruntime_perf_test", "perf_test.txt")
    result = run(local_agent(tmp_path), tmp_path, tool="onnxruntime_perf_test")
    assert result.outcome == "ok", result.failure
    assert result.tool is not None
    assert (result.tool.median_ns, result.tool.protocol) == (1_856_740, "onnxruntime_perf_test")
    arguments = (programs / "arguments").read_text().splitlines()
    assert arguments[-1].endswith("/artifact/model.onnx")
    assert list(result.tool.argv[1:]) == arguments
    assert any("inputs" in caveat for caveat in result.tool.caveats)


def test_trtexec_needs_no_python_runtime_and_its_release_decides_the_flags(
    tmp_path: Path, programs: Path
) -> None:
    prints(programs, "trtexec", "trtexec_10.16.log")
    result = run(local_agent(tmp_path), tmp_path, runtime="tensorrt", tool="trtexec")
    assert result.outcome == "ok", result.failure
    assert result.check is None
    assert result.tool is not None
    assert result.tool.protocol == "trtexec/10.16.1"
    assert "--noDataTransfers" in result.tool.argv
    assert any("nobody compared" in caveat for caveat in result.tool.caveats)


@pytest.mark.parametrize(
    ("script", "code", "words"),
    [
        (f"cat {SAMPLES}/trtexec_10.3_failed.log; exit 1", "tool.failed", "IIOneHotLayer"),
        ("echo something else", "tool.unreadable", "no performance summary"),
        ("echo something else; exit 7", "runtime.crashed", "exit status 7"),
        ("kill -ABRT $$", "runtime.crashed", "SIGABRT"),
        (f"cat {SAMPLES}/trtexec_10.16.log; exit 1", "tool.failed", "exit status 1"),
    ],
)
def test_a_tool_that_fails_gives_the_reason_that_says_most(
    script: str, code: str, words: str, tmp_path: Path, programs: Path
) -> None:
    program(programs, "trtexec", script)
    found = failure(local_agent(tmp_path), tmp_path, runtime="tensorrt", tool="trtexec")
    assert found[0] == code
    assert words in found[1]


def test_a_tool_that_hangs_is_ended_with_its_job(tmp_path: Path, programs: Path) -> None:
    program(programs, "trtexec", "echo $$ > $(dirname $0)/pid; exec sleep 600")
    agent = local_agent(tmp_path)
    code, _ = failure(agent, tmp_path, runtime="tensorrt", tool="trtexec", process_timeout_s=6.0)
    assert code == "runtime.timeout"
    with pytest.raises(ProcessLookupError):
        os.kill(int((programs / "pid").read_text()), 0)


def test_numbers_that_the_tool_rounds_to_zero_are_refused(tmp_path: Path, programs: Path) -> None:
    text = (
        (SAMPLES / "benchmark_model_cpu.txt")
        .read_text()
        .replace("Inference (avg): 6479.5", "Inference (avg): 0")
    )
    (tmp_path / "text").write_text("\n".join(line for line in text.splitlines() if "count=" not in line))
    program(programs, "benchmark_model", f"cat {tmp_path / 'text'}")
    code, _ = failure(local_agent(tmp_path), tmp_path, runtime="tensorrt", tool="benchmark_model")
    assert code == "tool.unreadable"


def test_an_unknown_tool_is_refused() -> None:
    with pytest.raises(JobError) as caught:
        tools.load("stopwatch")
    assert caught.value.code == "tool.unknown"


def test_every_tool_has_what_the_runner_asks_for() -> None:
    for name in tools.names():
        module = tools.load(name)
        assert (name, tools.RUNTIMES[name]) == (module.TOOL, module.RUNTIMES)
        assert module.FIX
        assert module.argv(["program"], JOB)[0] == "program"


def test_flags_are_explicit_where_releases_differ() -> None:
    new = trtexec.argv(["trtexec"], ToolJob(**{**vars(JOB), "options": {"tool_major": 11}}))
    old = trtexec.argv(["trtexec"], ToolJob(**{**vars(JOB), "options": {"tool_major": 8}}))
    oldest = trtexec.argv(["trtexec"], ToolJob(**{**vars(JOB), "options": {"tool_major": 7}}))
    assert {"--noDataTransfers", "--useCudaGraph", "--useSpinWait"} <= set(old)
    assert "--useCudaGraph" not in new
    assert "--noDataTransfers" not in oldest
    assert all("--noTF32" in flags for flags in (new, old, oldest))
    app = benchmark_app.argv(["app"], JOB)
    assert app[app.index("-hint") + 1] == "none"
    assert app[app.index("-nstreams") + 1] == "1"
    assert app[app.index("-nthreads") + 1] == "2"
    assert app[app.index("-infer_precision") + 1] == "f32"
    assert "--use_xnnpack=true" in benchmark_model.argv(["model"], JOB)
    assert "-D" in perf_test.argv(["perf"], JOB)
    assert litert_benchmark.argv(["lite"], JOB)[-2:] == ["--num_runs", "100"]
