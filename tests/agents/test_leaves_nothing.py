"""A runtime that a device is asked to run leaves nothing behind in the home of its user."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import need

# Under these some runtimes keep quiet by themselves.
QUIET = ("CI", "ORT_DISABLE_TELEMETRY", "ORT_RUNNING_UNIT_TESTS", "XDG_CACHE_HOME")


@pytest.mark.parametrize("runtime", ["onnxruntime", "litert"])
def test_a_real_inference_leaves_the_home_as_it_was(runtime: str, tmp_path: Path) -> None:
    """Neither telemetry's identifier and database nor a cache of compiled files."""
    module = {"onnxruntime": "onnxruntime", "litert": "ai_edge_litert"}[runtime]
    probe = subprocess.run([sys.executable, "-c", f"import {module}"], capture_output=True, check=False)
    need(probe.returncode == 0, f"no {module} here")
    kept = {key: value for key, value in os.environ.items() if key not in QUIET}
    done = subprocess.run(
        [sys.executable, "-B", "-m", "farm_agent", "_try", runtime],
        env={**kept, "HOME": str(tmp_path)}, cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr
    assert '"infer_ns":' in done.stdout.replace(" ", "")
    assert [path.relative_to(tmp_path) for path in tmp_path.rglob("*")] == []
