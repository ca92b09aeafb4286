"""The second way to an engine, over a program that takes trtexec's arguments."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farm_agent import build, trt_exec
from farm_agent.errors import FarmError
from farm_agent.tools import trtexec
from farm_agent.trt_build import Order
from tests.agents.tensorrt import parts
from tests.agents.tensorrt.test_build import request
from tests.agents.test_record import until

SCRIPT = """#!/bin/sh
for word in "$@"; do
  case "$word" in
    --saveEngine=*) engine="${word#*=}" ;;
    --timingCacheFile=*) cache="${word#*=}" ;;
  esac
done
echo "$@" > "$(dirname "$0")/words"
printf 'cache' > "$cache"
printf '{"layer": {}, "shape": [1, 4]}' > "$engine"
"""
FAILING = """#!/bin/sh
echo '[11/21/2026-10:00:00] [E] Error[4]: ITensor::getDimensions: Error Code 4: Internal Error (no room)'
echo '&&&& FAILED TensorRT.trtexec [TensorRT v100300]'
exit 1
"""
SLEEPING = """#!/bin/sh
cd "$(dirname "$0")"
echo $$ > part
mv part pid
exec sleep 600
"""


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "bin" / "trtexec"
    path.parent.mkdir()
    path.write_text(SCRIPT)
    path.chmod(0o755)
    monkeypatch.setattr(trtexec, "find", lambda: [str(path)])
    return path


@pytest.mark.parametrize(
    ("release", "precision", "there", "absent"),
    [
        ("8.5.2", "fp16", {"--buildOnly", "--fp16"}, {"--skipInference", "--stronglyTyped", "--noTF32"}),
        ("8.6.1", "int8", {"--skipInference", "--int8"}, {"--stronglyTyped"}),
        ("10.3.0", "fp32", {"--noTF32", "--skipInference"}, {"--fp16", "--stronglyTyped"}),
        ("11.4.0", "fp16", {"--skipInference"}, {"--fp16", "--stronglyTyped", "--noTF32"}),
    ],
)
def test_the_flags_follow_the_release(
    tmp_path: Path, release: str, precision: str, there: set[str], absent: set[str]
) -> None:
    order = Order("model.onnx", precision, workspace_bytes=1 << 30)
    words = trt_exec.argv(["trtexec"], order, tmp_path / "e", tmp_path / "c", release)
    assert there <= set(words)
    assert not absent & set(words)
    assert "--memPoolSize=workspace:1024M" in words
    assert not any(word.startswith("--shapes") for word in words)


def test_strong_typing_is_asked_for_by_name_in_release_10(tmp_path: Path) -> None:
    order = Order("model.onnx", "fp16", typing="strong")
    words = trt_exec.argv(["trtexec"], order, tmp_path / "e", tmp_path / "c", "10.3.0")
    assert "--stronglyTyped" in words
    assert "--fp16" not in words


def test_the_builder_s_options_reach_it(tmp_path: Path) -> None:
    options = {"optimization_level": "5", "aux_streams": "0", "fp16": "yes"}
    order = Order("model.onnx", "int8", options=options)
    words = trt_exec.argv(["trtexec"], order, tmp_path / "e", tmp_path / "c", "8.6.1")
    assert {"--builderOptimizationLevel=5", "--maxAuxStreams=0", "--int8", "--fp16"} <= set(words)


def test_it_makes_up_no_ranges(tmp_path: Path, program: Path) -> None:
    """Without QuantizeLinear in the graph, trtexec --int8 computes with ranges of its own invention."""
    samples = tmp_path / "samples.npz"
    samples.write_bytes(b"")
    asked = replace(request(tmp_path, options={"builder": "trtexec"}), calibration_path=str(samples))
    with pytest.raises(FarmError) as caught:
        build.build(parts.module("10.3.0"), parts.cuda(tmp_path), asked)
    assert caught.value.code == "build.option"
    assert not (program.parent / "words").exists()


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """A job that is stopped leaves nothing on the GPU."""
    program = tmp_path / "program"
    program.write_text(SLEEPING)
    program.chmod(0o755)
    code = (
        "import sys; from pathlib import Path; from farm_agent import trt_build, trt_exec\n"
        "from farm_agent.tools import trtexec; trtexec.find = lambda: [sys.argv[1]]\n"
        "trt_exec.build(trt_build.Order('model.onnx'), Path(sys.argv[2]), '10.3.0')\n"
    )
    argv = [sys.executable, "-c", code, str(program), str(tmp_path)]
    agents = str(Path(trt_exec.__file__).parent.parent)
    with subprocess.Popen(argv, env={**os.environ, "PYTHONPATH": agents}) as builder:
        until((tmp_path / "pid").exists)
        builder.kill()
    pid = int((tmp_path / "pid").read_text())
    try:
        until(lambda: not runs(pid))
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def runs(pid: int) -> bool:
    """Whether the process is there and no corpse that nobody has buried yet."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_a_job_can_ask_for_it(tmp_path: Path, program: Path) -> None:
    trt = parts.module("10.3.0")
    asked = request(tmp_path, options={"builder": "trtexec"})
    report = build.build(trt, parts.cuda(tmp_path), asked).report
    assert report is not None
    assert trt.built == 0
    assert report.typed == "weak"
    assert (tmp_path / build.TIMING_CACHE).read_bytes() == b"cache"
    assert "--onnx=" in (program.parent / "words").read_text()


def test_its_errors_are_told(tmp_path: Path, program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program.write_text(FAILING)
    asked = replace(request(tmp_path, options={"builder": "trtexec"}))
    with pytest.raises(FarmError) as caught:
        build.build(parts.module("10.3.0"), parts.cuda(tmp_path), asked)
    assert caught.value.code == "convert.unsupported"
    assert "Internal Error (no room)" in caught.value.message
    monkeypatch.setattr(trtexec, "find", list)
    with pytest.raises(FarmError) as caught:
        build.build(parts.module("10.3.0"), parts.cuda(tmp_path), asked)
    assert caught.value.code == "tool.missing"
