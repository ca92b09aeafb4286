"""scripts/nasty_table.py: what a process says and does becomes a row, also when it hangs."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.support import ROOT

HANGS = """import sys, time
sys.stdout.write("begun")
sys.stdout.flush()
time.sleep(600)
"""


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("nasty_table", ROOT / "scripts" / "nasty_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "nasty_table", module)
    spec.loader.exec_module(module)
    return module


def test_a_refused_file_is_a_row_without_fault(script: ModuleType, tmp_path: Path) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(b"\x00\x01\x02")
    row = script.convert(path, "onnx", "60s")
    assert set(row.outcomes) == set(script.PRECISIONS)
    assert all(outcome.startswith("model.") for outcome in row.outcomes.values())
    assert row.fault == ""
    assert row.peak_memory_bytes > 1_000_000


@pytest.mark.timeout(120)
def test_a_process_that_hangs_is_killed_and_told(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(script, "HUNG_S", 1.0)
    program = tmp_path / "hangs"
    program.write_text(f"#!{sys.executable}\n{HANGS}")
    program.chmod(0o755)
    monkeypatch.setattr(script.sys, "executable", str(program))
    row = script.convert(tmp_path / "x.onnx", "onnx", "60s")
    assert "hung" in row.fault
    assert script.table([row], tmp_path).count("hung") == 1
