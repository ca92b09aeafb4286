"""The second way to an engine, over a program that takes trtexec's arguments."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farm_agent import build, trt_exec
from farm_agent.errors import FarmError
from farm_agent.tools import trtexec
from farm_agent.trt_build import Order
from tests.agents.tensorrt import parts
from tests.agents.tensorrt.test_build import request

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
