"""What an import told is believed until anything that the import reads has changed."""

from __future__ import annotations

import importlib.util
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farm_agent import pack, probes, runtimes
from farm_agent.wire import RuntimeFact

ABSENT = ["litert", "openvino"]


class Box:
    """A Python with fakes of ONNX Runtime, TensorRT and numpy, and the agent's folder beside it."""

    def __init__(self, folder: Path) -> None:
        self.packages, self.root = folder / "packages", folder / "root"
        self.root.mkdir()
        for name in (
            "onnxruntime/__init__.py",
            "onnxruntime/capi/lib.so",
            "tensorrt.py",
            "numpy/__init__.py",
        ):
            path = self.packages / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("old\n")
        self.broken: set[str] = set()

    def asked(self, *, fresh: bool = False) -> list[str]:
        """The runtimes that had to be imported."""
        calls: list[str] = []

        def probe(name: str) -> RuntimeFact:
            calls.append(name)
            works = importlib.util.find_spec(name) is not None and name not in self.broken
            return RuntimeFact(name, "1.0") if works else RuntimeFact(name, "", "no", "install it")

        found = probes.survey(self.root, probe, fresh=fresh)
        assert [fact.name for fact in found] == ["litert", "onnxruntime", "openvino", "tensorrt"]
        assert {fact.name for fact in found if fact.unavailable} == {*ABSENT, *self.broken}
        return calls

    def aged(self, name: str) -> None:
        """That file or folder changed."""
        seen = (self.packages / name).stat()
        os.utime(self.packages / name, ns=(seen.st_atime_ns, seen.st_mtime_ns + 1_000_000))


@pytest.fixture
def box(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Box:
    made = Box(tmp_path)
    for name in runtimes.names():
        runtimes.load(name)  # before the path has nothing else on it
    for name in [name for name in sys.modules if name.partition(".")[0] in (*ABSENT, "onnxruntime", "numpy")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(sys, "path", [str(made.packages)])
    monkeypatch.setattr(pack, "agent_sha256", lambda: "a" * 64)
    return made


def test_what_works_is_imported_once_and_a_problem_each_time(box: Box) -> None:
    """TensorRT depends on more than files, so it is never kept."""
    everything = ["litert", "onnxruntime", "openvino", "tensorrt"]
    assert box.asked() == everything
    assert box.asked() == ["litert", "openvino", "tensorrt"]
    assert box.asked(fresh=True) == everything
    box.broken.add("onnxruntime")
    assert box.asked(fresh=True) == everything
    assert box.asked() == everything
    box.broken.clear()
    assert box.asked() == everything
    assert "onnxruntime" not in box.asked()


@pytest.mark.parametrize(
    "change",
    [
        lambda box, _: (box.packages / "onnxruntime/capi/lib.so").write_text("longer\n"),
        lambda box, _: (box.packages / "onnxruntime/capi/lib.so").unlink(),
        lambda box, _: box.aged("onnxruntime/__init__.py"),
        lambda box, _: box.aged("numpy/__init__.py"),
        lambda box, _: box.aged(""),
        lambda box, _: (box.root / probes.FILE).write_bytes(b'{"facts": {"x": []}}'),
        lambda box, _: (box.root / probes.FILE).unlink(),
        lambda _, patch: patch.setenv("LD_LIBRARY_PATH", "/opt/lib"),
        lambda _, patch: patch.setattr(pack, "agent_sha256", lambda: "b" * 64),
        lambda _, patch: patch.setattr(sys, "executable", "/usr/bin/another"),
    ],
)
def test_whatever_changes_is_noticed_once(
    box: Box, monkeypatch: pytest.MonkeyPatch, change: Callable[[Box, pytest.MonkeyPatch], object]
) -> None:
    """Files of the runtime and of numpy, packages beside them, the file itself, the agent, the Python."""
    box.asked()
    assert "onnxruntime" not in box.asked()
    change(box, monkeypatch)
    assert "onnxruntime" in box.asked()
    assert "onnxruntime" not in box.asked()
