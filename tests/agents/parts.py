"""What the agent's tests share: a packed agent, a small real model, and the agent run by hand."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from farm_agent import codec, pack
from farm_agent.wire import (
    ArtifactSpec,
    Blob,
    BlockPlan,
    Golden,
    JobResult,
    JobSpec,
    TensorMap,
    TensorSpec,
    Tolerance,
)

QUICK = BlockPlan(
    blocks=2,
    min_time_ns=2_000_000,
    min_runs=20,
    max_time_ns=2_000_000_000,
    warmup_min_ns=1_000_000,
    warmup_min_runs=5,
    warmup_max_ns=50_000_000,
)
ENDLESS = BlockPlan(blocks=1, min_time_ns=500_000_000_000, min_runs=10**9, max_time_ns=500_000_000_000)


def write_model(path: Path, *, ir_version: int = 9, opset: int = 17) -> Path:
    """y = relu(x @ w) with x float32 [1, 4] and w the 4 by 3 matrix 0..11, as ONNX."""
    from onnx import TensorProto, helper, numpy_helper, save

    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"]),
        helper.make_node("Relu", ["h"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(weights, "w")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=ir_version)
    save(model, str(path))
    return path


def write_golden(path: Path, *, wrong: bool = False) -> Path:
    """Two samples of the model above and its true outputs (or wrong ones)."""
    weights = np.arange(12, dtype=np.float32).reshape(4, 3)
    arrays: dict[str, Any] = {}
    for k in range(2):
        x = np.full((1, 4), k + 1, np.float32)
        arrays[f"in.{k}.0"] = x
        arrays[f"out.{k}.0"] = np.maximum(x @ weights, 0) + (1.0 if wrong else 0.0)
    np.savez(path, **arrays)
    return path


def artifact(blob: Blob) -> ArtifactSpec:
    """The model above as an artifact that is its own source."""
    x, y = TensorSpec("x", "float32", (1, 4)), TensorSpec("y", "float32", (1, 3))
    return ArtifactSpec("onnx", "fp32", (blob,), (TensorMap(x, x),), (TensorMap(y, y),))


@dataclass(frozen=True)
class Agent:
    """The agent by hand: a Python, the zipapp and a root."""

    python: str
    zipapp: Path
    root: Path

    def talk(self, *words: str, stdin: bytes = b"") -> list[dict[str, Any]]:
        """Run one verb; its replies. The command must end with 0 and print nothing but replies."""
        argv = [self.python, str(self.zipapp), *words, "--root", str(self.root)]
        done = subprocess.run(argv, input=stdin, capture_output=True, timeout=300, check=False)
        assert done.returncode == 0, done.stderr.decode()
        assert done.stderr == b"", done.stderr.decode()
        return [json.loads(line) for line in done.stdout.splitlines()]

    def ask(self, *words: str, stdin: bytes = b"") -> dict[str, Any]:
        """The one body of a verb that succeeds."""
        reply = self.talk(*words, stdin=stdin)[-1]
        assert reply["failure"] is None, reply["failure"]
        return dict(reply["body"])

    def fail(self, *words: str, stdin: bytes = b"") -> dict[str, Any]:
        """The failure of a verb that fails."""
        reply = self.talk(*words, stdin=stdin)[-1]
        assert reply["failure"] is not None, reply["body"]
        return dict(reply["failure"])

    def put(self, source: Path, name: str = "") -> Blob:
        """Have a file in the content store, complete; ``test_store`` has the verbs that bring it there."""
        sha256 = hashlib.sha256(source.read_bytes()).hexdigest()
        if not (self.root / "cas").is_dir():
            self.ask("hello")
        shutil.copyfile(source, self.root / "cas" / sha256)
        return Blob(sha256, source.stat().st_size, name or source.name)

    def start(self, spec: JobSpec) -> dict[str, Any]:
        """The state after ``start``."""
        return dict(self.ask("start", stdin=codec.dumps(spec).encode())["state"])

    def wait_for(self, job_id: str, fence: int = 1, *, event: str = "") -> list[dict[str, Any]]:
        """All events until the job ends, or until one of kind ``event``."""
        seen: list[dict[str, Any]] = []
        deadline = time.monotonic() + 600
        while time.monotonic() < deadline:
            words = ("attach", job_id, "--from", str(len(seen)), "--wait", "20", "--fence", str(fence))
            *replies, last = self.talk(*words)
            assert last["failure"] is None, last["failure"]
            seen += [reply["body"]["event"] for reply in replies]
            state = last["body"]["state"]
            if event and any(entry["kind"] == event for entry in seen):
                return seen
            if state["state"] not in ("starting", "running") and len(seen) == state["next_seq"]:
                return seen
        raise AssertionError(f"the job did not end: {seen}")


def local_agent(folder: Path, python: str = sys.executable) -> Agent:
    """A freshly packed agent with a root of its own."""
    return Agent(python, pack.build(folder / "packed").path, folder / "root")


def small_spec(agent: Agent, folder: Path, job_id: str = "job-1", **changes: Any) -> JobSpec:
    """A quick job on the small model, with its files already on the device."""
    blob = agent.put(write_model(folder / "model.onnx"))
    golden = agent.put(write_golden(folder / "golden.npz", wrong=changes.pop("wrong", False)))
    values: dict[str, Any] = {
        "fence": 1,
        "runtime": "onnxruntime",
        "plan": QUICK,
        "golden": Golden(golden, 2, Tolerance(1e-6, 1e-6)),
        **changes,
    }
    return JobSpec(job_id=job_id, artifact=artifact(blob), **values)


def result_of(agent: Agent, job_id: str) -> tuple[JobResult, str]:
    """What an ended job left, and the hash of its file."""
    body = agent.ask("result", job_id)
    return codec.decode(JobResult, body["result"]), body["sha256"]
