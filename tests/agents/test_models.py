"""Real models on their real runtimes, and hostile ones: a result or a typed error, never a trace."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from farm_agent import check, codec, facts
from farm_agent.wire import ArtifactSpec, Blob
from tests.support import ROOT, need

from .parts import local_agent

FOLDER = Path(os.environ.get("FARM_MODELS", ROOT.parent / "shared" / "models"))
RUNTIMES = {".onnx": "onnxruntime", ".tflite": "litert"}
# Zeros and free dimensions of one are no input for these: the coordinator gives real shapes.
NEEDS_SHAPES = ("silero_vad", "silero_vad_16k_op15")
# A loop that ends only when its input says so; a job's time limit ends it.
ENDLESS = ("lrt_nested_while",)

pytestmark = pytest.mark.models


def files(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (FOLDER / folder).glob("*") if path.suffix in RUNTIMES]
    return sorted(path for path in found if path.stem not in ENDLESS)


def load(folder: Path, path: Path) -> tuple[check.CheckResponse | None, int]:
    runtime = RUNTIMES[path.suffix]
    need(facts.probe(runtime).version, f"{runtime} is not installed")
    spec = ArtifactSpec("onnx", "fp32", (Blob("0" * 64, 1, path.name),), (), ())
    asked = check.CheckRequest(runtime, spec, str(path.parent), options={"threads": 1})
    (folder / "request.json").write_text(codec.dumps(asked))
    argv = [sys.executable, str(local_agent(folder).zipapp), "_check", "request.json", "response.json"]
    done = subprocess.run(argv, cwd=folder, capture_output=True, timeout=120, check=False)
    response = folder / "response.json"
    if not response.exists():
        return None, done.returncode
    return codec.loads(check.CheckResponse, response.read_text()), done.returncode


@pytest.mark.parametrize("path", files("onnx", "tflite"), ids=lambda path: path.name)
def test_a_real_model_runs_and_tells_its_precision(path: Path, tmp_path: Path) -> None:
    response, _ = load(tmp_path, path)
    assert response is not None
    if path.stem in NEEDS_SHAPES:
        assert response.failure is not None
        assert response.failure.code == "runtime.run-failed"
        return
    assert response.failure is None
    assert response.proof is not None
    assert response.proof.executed in ("fp32", "fp16", "int8")
    assert response.outputs


@pytest.mark.parametrize("path", files("nasty"), ids=lambda path: path.name)
def test_a_hostile_file_gives_a_result_or_a_typed_error(path: Path, tmp_path: Path) -> None:
    response, returncode = load(tmp_path, path)
    if response is None:
        # The runtime killed its process: the supervisor turns that into runtime.crashed.
        assert returncode < 0
        return
    if response.failure is not None:
        assert response.failure.blame == "job"
        assert response.failure.code.split(".")[0] in ("runtime", "model", "input")
        assert response.failure.fix
        assert "Traceback" not in response.failure.message
