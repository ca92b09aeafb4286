"""The agent by hand under every Python found here, from those it refuses to the newest."""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm_agent import codec
from farm_agent.wire import JobResult
from tests.support import need

from .parts import Agent, local_agent, small_spec, write_model

# What the agent's measuring needs, for the oldest Python that it supports and for a new one.
WHEELS = {
    "3.8": ("onnxruntime==1.19.2", "numpy==1.24.4"),
    "3.13": ("onnxruntime==1.23.2", "numpy==2.3.5"),
}
# Read before the tests get a home of their own.
VERSIONS = Path.home() / ".pyenv" / "versions"
CACHE = Path(tempfile.gettempdir()) / "farm-test-pythons"


def candidates() -> Iterator[Path]:
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        for minor in range(15):
            path = Path(folder) / f"python3.{minor}"
            if path.is_file():
                yield path
    yield from sorted(VERSIONS.glob("*/bin/python"))


@functools.lru_cache(maxsize=1)
def pythons() -> dict[str, str]:
    """Version "3.8" -> a Python of it that really runs."""
    found: dict[str, str] = {}
    for path in candidates():
        code = "import sys; print('%d.%d' % sys.version_info[:2])"
        done = subprocess.run([str(path), "-c", code], capture_output=True, text=True, check=False)
        if done.returncode == 0 and re.fullmatch(r"\d\.\d+", done.stdout.strip()):
            found.setdefault(done.stdout.strip(), str(path))
    return found


def python(version: str) -> str:
    if version not in pythons():
        # No package registry carries these, so a machine without them is no hole in the tests.
        pytest.skip(f"there is no Python {version} on PATH or in ~/.pyenv/versions")
    return pythons()[version]


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_an_old_python_is_refused_in_one_readable_line(version: str, tmp_path: Path) -> None:
    if version not in pythons():
        pytest.skip(f"no Python {version} here")
    failure = local_agent(tmp_path, pythons()[version]).fail("hello")
    assert failure["code"] == "device.python-too-old"
    assert f"this is Python {version}." in failure["message"]
    assert failure["fix"]


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14"])
def test_verbs_work_without_anything_installed(version: str, tmp_path: Path) -> None:
    """Also a whole job, up to the missing runtime: supervisor, spool and result need no package."""
    if version not in pythons():
        pytest.skip(f"no Python {version} here")
    agent = local_agent(tmp_path, _bare(pythons()[version], tmp_path))
    assert agent.ask("hello")["python"].startswith(f"{version}.")
    facts = agent.ask("facts")
    assert {fact["name"] for fact in facts["runtimes"]} == {"litert", "onnxruntime", "openvino", "tensorrt"}
    for fact in facts["runtimes"]:
        assert fact["unavailable"]
        assert fact["fix"]
    agent.start(small_spec(agent, tmp_path))
    events = agent.wait_for("job-1")
    assert events[-1]["data"]["state"] == "failed"
    body = agent.ask("result", "job-1")
    result = codec.decode(JobResult, body["result"])
    assert result.failure is not None
    assert result.failure.code == "runtime.missing"
    assert "-m pip install onnxruntime" in result.failure.fix
    agent.ask("ack", "job-1", body["sha256"])
    assert agent.ask("gc", "--max-bytes", "0")["jobs"] == ["job-1"]


@pytest.mark.toolchain
@pytest.mark.parametrize("version", sorted(WHEELS))
def test_a_model_is_measured_under_the_oldest_and_a_new_python(version: str, tmp_path: Path) -> None:
    agent = local_agent(tmp_path, _with_wheels(version))
    # onnxruntime for Python 3.8 ended at 1.19.2, which reads models up to IR version 10.
    assert write_model(tmp_path / "model.onnx").exists()
    agent.start(small_spec(agent, tmp_path))
    agent.wait_for("job-1")
    result = codec.decode(JobResult, agent.ask("result", "job-1")["result"])
    assert (result.outcome, result.failure) == ("ok", None)
    assert f"onnxruntime=={result.runtime_version}" == WHEELS[version][0]
    assert result.check is not None
    assert result.check.passed
    assert result.proof is not None
    assert result.proof.executed == "fp32"
    assert [block.ended for block in result.blocks] == ["floor", "floor"]
    assert {(block.harness, block.fallback) for block in result.blocks} == {("native", "")}


def _bare(program: str, folder: Path) -> str:
    """That Python in an environment of its own, so that nothing installed beside it is seen."""
    subprocess.run([program, "-m", "venv", "--without-pip", str(folder / "bare")], check=True)
    return str(folder / "bare" / "bin" / "python")


def _with_wheels(version: str) -> str:
    """An environment with numpy and onnxruntime, kept between runs."""
    program = python(version)
    home = CACHE / "-".join((version, *WHEELS[version]))
    if not (home / "ready").exists():
        uv = shutil.which("uv")
        need(uv, "uv is not on PATH")
        shutil.rmtree(home, ignore_errors=True)
        subprocess.run([str(uv), "venv", "-q", "--python", program, str(home)], check=True)
        install = [str(uv), "pip", "install", "-q", "--python", str(home / "bin" / "python")]
        done = subprocess.run([*install, *WHEELS[version]], capture_output=True, text=True, check=False)
        need(done.returncode == 0, f"the package registry does not answer: {done.stderr[-200:]}")
        (home / "ready").write_text("")
    return str(home / "bin" / "python")


def test_an_agent_started_from_a_checkout_is_the_same_agent(tmp_path: Path) -> None:
    import farm_agent
    from farm_agent import pack

    entry = Path(farm_agent.__file__).parent / "__main__.py"
    # With the Python that packs: another may lack the compiler of the native loop.
    agent = Agent(sys.executable, entry, tmp_path / "root")
    assert agent.ask("hello")["agent_sha256"] == pack.agent_sha256()
