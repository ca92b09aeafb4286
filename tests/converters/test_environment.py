"""Managed environments: whole pinned lists, built once, or an error that says what to do."""

from __future__ import annotations

import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from farm_agent.errors import FarmError, InfrastructureError
from farm_converters import environment, installer
from tests.converters import made

MARKER = r"[a-z_]+ [!=<>]+ '[\w.]+'"
PINNED = "absent-package-of-nobody==1.0 --hash=sha256:" + "0" * 64 + "\n"


@pytest.fixture
def lists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Lists of our own, instead of the project's."""
    folder = tmp_path / "lists"
    folder.mkdir()
    monkeypatch.setattr(environment, "LISTS", folder)
    return folder


@pytest.mark.parametrize("path", sorted(environment.LISTS.glob("*.txt")), ids=lambda path: path.name)
def test_every_list_is_pinned_hashed_and_names_no_host(path: Path) -> None:
    text = path.read_text()
    lines = [line.rstrip("\\").strip() for line in text.splitlines()]
    wanted = [line for line in lines if line and not line.startswith(("#", "--hash"))]
    assert wanted
    assert all(
        re.fullmatch(rf"[a-z0-9-]+==[0-9][0-9a-z.]*( ; {MARKER}( and {MARKER})*)?", line) for line in wanted
    )
    assert text.count("--hash=sha256:") >= len(wanted)
    assert "://" not in text
    assert "--index" not in text


def test_the_onnx_environment_is_this_interpreter(tmp_path: Path) -> None:
    env = environment.prepare("onnx", tmp_path, made.quiet)
    assert env.python == sys.executable
    assert env.versions["onnx"] == environment.installed("onnx")
    assert not list(tmp_path.iterdir())


def test_met_pins_need_no_building(tmp_path: Path, lists: Path) -> None:
    (lists / "met.txt").write_text(f"numpy=={environment.installed('numpy')}\n")
    assert environment.ready("met", tmp_path)
    assert environment.prepare("met", tmp_path, made.quiet).python == sys.executable


def test_the_fingerprint_follows_the_pins(lists: Path) -> None:
    (lists / "a.txt").write_text("numpy==1.0\n")
    before = environment.fingerprint("a")
    (lists / "a.txt").write_text("numpy==1.1\n")
    assert environment.fingerprint("a") != before
    assert re.fullmatch(r"[0-9a-f]{12}", before)


@pytest.mark.parametrize("uv", ["uv", "pip"])
def test_a_failed_build_says_why_and_leaves_nothing(
    tmp_path: Path, lists: Path, monkeypatch: pytest.MonkeyPatch, uv: str
) -> None:
    if uv == "pip":
        monkeypatch.setattr(installer, "find_uv", lambda: None)
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("FARM_WHEELS", str(wheels))
    (lists / "broken.txt").write_text(PINNED)
    with pytest.raises(InfrastructureError) as caught:
        environment.prepare("broken", tmp_path, made.quiet)
    assert caught.value.code == "env.build-failed"
    assert "absent-package-of-nobody" in caught.value.message
    assert "FARM_WHEELS" in caught.value.fix
    assert not environment.ready("broken", tmp_path)
    assert [path.suffix for path in (tmp_path / "environments").iterdir()] == [".lock"]


def test_a_half_built_environment_is_built_anew(tmp_path: Path, lists: Path) -> None:
    """The marker is written last: a folder without it is what a killed build left."""
    (lists / "empty.txt").write_text("# nothing\nabsent==1\n")
    folder = tmp_path / "environments" / f"empty-{environment.fingerprint('empty')}"
    folder.mkdir(parents=True)
    (folder / "leftover").touch()
    (lists / "empty.txt").write_text("# nothing\nabsent==1\n")
    with pytest.raises(InfrastructureError):
        environment.prepare("empty", tmp_path, made.quiet)
    assert not (folder / "leftover").exists()


def test_an_unknown_environment_is_our_bug() -> None:
    with pytest.raises(FarmError) as caught:
        environment.pins("nothing")
    assert caught.value.code == "env.unknown"


@pytest.mark.toolchain
@pytest.mark.parametrize("uv", ["uv", "pip"])
@pytest.mark.timeout(900)
def test_the_tflite_environment_is_built_once_and_imports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uv: str
) -> None:
    """Three ask at once; one builds, and everything the edge needs can be imported."""
    import subprocess

    if uv == "pip":
        monkeypatch.setattr(installer, "find_uv", lambda: None)
    said: list[str] = []
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda _: environment.prepare("tflite", tmp_path, said.append), range(3)))
    assert len({env.python for env in found}) == 1
    assert len([text for text in said if text.startswith("building")]) == 1
    code = "import onnx, onnxruntime, onnxslim, onnx2tf, ai_edge_quantizer, ai_edge_litert.interpreter"
    subprocess.run([found[0].python, "-I", "-c", code], check=True, stdout=subprocess.DEVNULL)


def test_offline_without_the_environment_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither the environment nor a cached package is there, and nothing may be downloaded."""
    monkeypatch.setenv("FARM_OFFLINE", "1")
    monkeypatch.setenv("UV_CACHE_DIR", str(tmp_path / "uv"))
    monkeypatch.delenv("FARM_WHEELS", raising=False)

    with pytest.raises(InfrastructureError) as caught:
        environment.prepare("tflite", tmp_path / "cache", lambda _: None)

    assert caught.value.code == "env.offline"
    assert "FARM_WHEELS" in caught.value.fix
