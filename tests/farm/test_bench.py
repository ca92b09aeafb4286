"""The main job, end to end on this machine: real conversion, real agent, real runtime, real store."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import farm
from farm.measure import Measure
from tests.farm.networks import conv_net, heavy_net

QUICK = ["--blocks", "1", "--min-time", "50ms", "--min-runs", "10", "--no-gate", "-r", "onnxruntime"]


def run(*arguments: str, timeout_s: float = 600) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "farm", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=timeout_s, check=False)


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)["results"]
    return found


def test_bench_measures_stores_and_returns_a_result(tmp_path: Path) -> None:
    results = farm.bench(
        conv_net(tmp_path / "net.onnx"),
        runtimes=["onnxruntime"],
        blocks=2,
        min_time_s=0.05,
        measure=Measure(gate=None),
    )

    (result,) = results
    assert (result.status, result.error_message) == ("ok", "")
    assert result.latency is not None
    assert result.latency.blocks == 2
    assert result.latency.p50_low_ns is not None
    assert result.latency.p50_high_ns is not None
    assert result.latency.p50_low_ns <= result.latency.p50_ns <= result.latency.p50_high_ns
    assert result.executed_precision == "fp32"
    assert result.verdict.word in ("valid", "noisy", "throttled")  # as this machine is just now
    assert result.peak_memory_bytes
    frame = farm.load_results()
    assert list(frame["job_id"]) == [result.job_id]


@pytest.mark.usefixtures("own_cache")
def test_second_run_converts_nothing_and_ships_nothing(tmp_path: Path) -> None:
    model = str(conv_net(tmp_path / "net.onnx"))
    first = run("--json", "bench", model, *QUICK)
    second = run("--json", "bench", model, *QUICK)

    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    before, after = rows(first)[0]["document"], rows(second)[0]["document"]
    assert before["sent_bytes"] > 0
    assert before["artifact"]["cached"] is False
    assert after["sent_bytes"] == 0
    assert after["artifact"]["cached"] is True


def test_bad_model_fails_alone_and_the_others_are_measured(tmp_path: Path) -> None:
    good = conv_net(tmp_path / "good.onnx")
    truncated = tmp_path / "truncated.onnx"
    truncated.write_bytes(good.read_bytes()[:200])
    text = tmp_path / "text.onnx"
    text.write_text("this is a poem\n")
    missing = tmp_path / "missing.onnx"

    done = run("--json", "bench", *map(str, (missing, truncated, text, good)), *QUICK)

    assert done.returncode == 3, done.stderr
    found = {str(row["model"]): row for row in rows(done)}
    assert found["good"]["status"] == "ok"
    assert found["missing"]["error_code"] == "model.missing"
    assert found["truncated"]["error_code"] == "model.corrupt"
    assert found["text"]["error_code"] == "model.not-onnx"
    assert "Traceback" not in done.stderr


def test_only_wrong_input_is_a_usage_error(tmp_path: Path) -> None:
    assert run("bench", str(tmp_path / "missing.onnx"), *QUICK).returncode == 2
    assert run("bench", str(conv_net(tmp_path / "n.onnx")), "-d", "jetsn").returncode == 2


def test_accuracy_is_measured_where_labels_are_given(tmp_path: Path) -> None:
    model = conv_net(tmp_path / "net.onnx")
    images = np.random.default_rng(1).normal(size=(20, 1, 8, 8)).astype("float32")
    import onnxruntime

    session = onnxruntime.InferenceSession(str(model), providers=["CPUExecutionProvider"])
    labels = np.array([session.run(None, {"image": image[None]})[0][0].argmax() for image in images])
    labels[:5] = (labels[:5] + 1) % 3
    np.savez(tmp_path / "data.npz", image=images, labels=labels)

    done = run("--json", "bench", str(model), "--data", str(tmp_path / "data.npz"), *QUICK)

    (row,) = rows(done)
    assert row["accuracy"] == pytest.approx(0.75)
    assert row["accuracy_count"] == 20


def test_two_runs_at_once_share_the_device_without_overlap(tmp_path: Path) -> None:
    model = str(conv_net(tmp_path / "net.onnx"))
    command = [sys.executable, "-m", "farm", "--json", "bench", model, *QUICK]
    both = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in "ab"
    ]
    outputs = [process.communicate(timeout=600) for process in both]

    assert [process.returncode for process in both] == [0, 0], outputs
    spans = []
    for stdout, _ in outputs:
        job = json.loads(stdout)["results"][0]["document"]["job"]
        spans.append((job["started_unix_s"], job["ended_unix_s"]))
    first, second = sorted(spans)
    assert first[1] <= second[0]


def test_runtime_that_dies_is_one_failed_job(tmp_path: Path) -> None:
    heavy, good = heavy_net(tmp_path / "heavy.onnx"), conv_net(tmp_path / "good.onnx")
    command = [sys.executable, "-m", "farm", "--json", "bench", str(heavy), str(good), *QUICK]
    command[command.index("50ms")] = "5s"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        os.kill(_measuring_process(process, "-000"), signal.SIGSEGV)
        stdout, stderr = process.communicate(timeout=600)
    finally:
        process.kill()

    assert process.returncode == 3, stderr
    found = {row["model"]: row for row in json.loads(stdout)["results"]}
    assert found["heavy"]["error_code"] == "runtime.crashed"
    assert "SIGSEGV" in found["heavy"]["error_message"]
    assert found["good"]["status"] == "ok"


def test_interrupt_keeps_what_was_measured_and_leaves_nothing_running(tmp_path: Path) -> None:
    good, heavy = conv_net(tmp_path / "good.onnx"), heavy_net(tmp_path / "heavy.onnx")
    command = [sys.executable, "-m", "farm", "--json", "bench", str(good), str(heavy), *QUICK]
    command[command.index("50ms")] = "3s"
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        measuring = _measuring_process(process, "-001")
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=600)
    finally:
        process.kill()

    assert process.returncode == 130, stderr
    found = {row["model"]: row for row in json.loads(stdout)["results"]}
    assert found["good"]["status"] == "ok", found["good"]["error_message"]
    assert found["heavy"]["error_code"] == "run.interrupted"
    assert not Path(f"/proc/{measuring}").exists()


def _measuring_process(farm_process: subprocess.Popen[str], job: str) -> int:
    """The pid of the process that measures the job whose id ends in ``job``; waits for it."""
    give_up = time.monotonic() + 600
    while time.monotonic() < give_up and farm_process.poll() is None:
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                line = (entry / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if "_block" in line and f"{job}/" in line + "/" and os.environ["HOME"] in line:
                return int(entry.name)
        time.sleep(0.05)
    pytest.fail(f"no process measured {job}: {farm_process.communicate()}")
