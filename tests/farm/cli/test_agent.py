"""``farm agent``: the packed agent on this machine."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import farm.cli

Streams = pytest.CaptureFixture[str]


def test_pack_writes_a_file_named_by_its_hash(tmp_path: Path, capsys: Streams) -> None:
    """Twice the same bytes, and the printed hash is the file's."""
    assert farm.cli.main(["agent", "pack", "--out", str(tmp_path), "--json"]) == 0
    first = json.loads(capsys.readouterr().out)
    assert farm.cli.main(["agent", "pack", "--out", str(tmp_path), "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == first
    data = Path(first["path"]).read_bytes()
    assert hashlib.sha256(data).hexdigest() == first["sha256"]
    assert first["sha256"][:12] in Path(first["path"]).name
    assert len(list(tmp_path.iterdir())) == 1


def test_facts_tell_what_this_machine_is(capsys: Streams) -> None:
    """From the packed agent, in a process of its own."""
    assert farm.cli.main(["agent", "facts", "--json"]) == 0

    facts = json.loads(capsys.readouterr().out)
    assert facts["machine"] == os.uname().machine
    assert facts["cores"] == len(os.sched_getaffinity(0)) or facts["cores"] == os.cpu_count()
    (ort,) = (runtime for runtime in facts["runtimes"] if runtime["name"] == "onnxruntime")
    assert ort["version"]
    assert not ort["unavailable"]


def test_selftest_passes_here(capsys: Streams) -> None:
    """Wire number, hash and a working runtime."""
    assert farm.cli.main(["agent", "selftest"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1] for line in lines[1:]] == ["ok", "ok", "ok"]


def test_selftest_under_a_python_without_runtimes_fails(tmp_path: Path, capsys: Streams) -> None:
    """Exit code 3, and the line that fails."""
    bare = tmp_path / "bare"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", bare], check=True)

    assert farm.cli.main(["agent", "selftest", "--python", str(bare / "bin" / "python")]) == 3

    assert "a runtime works\tFAILED\tnone" in capsys.readouterr().out


def test_a_python_that_is_not_there_is_said(capsys: Streams) -> None:
    """As the device's own error."""
    assert farm.cli.main(["agent", "facts", "--python", "/no/such/python"]) == 3

    assert "error[device.no-python]" in capsys.readouterr().err


def test_gc_of_an_empty_folder_frees_nothing(capsys: Streams) -> None:
    """And names the device."""
    assert farm.cli.main(["agent", "gc", "--json"]) == 0

    assert json.loads(capsys.readouterr().out)["devices"]["local"]["freed_bytes"] == 0
