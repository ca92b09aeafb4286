"""Conversions beside each other and on a full disk: real processes, a real small file system."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from onnx import helper

from farm_agent.errors import FarmError, InfrastructureError
from farm_converters.convert import cache_key, convert
from farm_converters.inspect import inspect_model
from farm_converters.lock import held
from farm_converters.recipe import Recipe
from farm_converters.shapes import resolve_shapes
from tests.converters import made
from tests.support import disk_of

CONVERT = """
import sys
from pathlib import Path
from onnx import helper

from farm_converters.convert import convert
from farm_converters.inspect import inspect_model
from farm_converters.recipe import Recipe
say = lambda text: print(text, flush=True)
model = inspect_model(Path(sys.argv[1]))
print("cached", convert(model, Recipe("onnx"), Path(sys.argv[2]), report=say).cached, flush=True)
"""


def start(model: Path, cache: Path) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", CONVERT, str(model), str(cache)]
    return subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)


def test_two_processes_share_one_conversion(tmp_path: Path) -> None:
    """Both are held back until both wait; then one converts, and the other takes what it made."""
    path = made.conv(tmp_path / "net.onnx")
    model = inspect_model(path)
    recipe = Recipe("onnx", shapes=resolve_shapes(model, {}, None))
    entry = tmp_path / "cache" / "artifacts" / cache_key(model, recipe)
    said: list[str] = []
    with held(entry.with_suffix(".lock"), report=made.quiet, what="the test"):
        both = [start(path, tmp_path / "cache") for _ in range(2)]
        for process in both:
            assert process.stdout is not None
            lines = iter(process.stdout.readline, "")
            assert any("waiting for another process: converting net" in line for line in lines)
    for process in both:
        said.append(process.communicate(timeout=120)[0])
        assert process.returncode == 0
    assert sorted("cached True" in text for text in said) == [False, True]
    assert sorted("converting to onnx" in text for text in said) == [False, True]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A cache folder on a file system of two MiB."""
    with disk_of(tmp_path / "cache", 2) as folder:
        yield folder


@pytest.mark.parametrize("left_kib", [0, 64, 400, 900])
def test_a_disk_that_fills_up_under_a_conversion_is_the_machine_s_fault(
    tmp_path: Path, small_disk: Path, left_kib: int
) -> None:
    """The model has 0.3 MB of weights: what is left is enough for no, some or most steps. Nothing half made
    stays, and with space the same call works."""
    model = inspect_model(made.save(
        tmp_path / "net.onnx",
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [made.value("x", [1, 280])],
        [made.value("y", [1, 280])],
        [made.weights("w", 280, 280)],
    ))  # fmt: skip
    (small_disk / "filler").write_bytes(
        b"x" * ((2048 - left_kib) * 1024 - 8192 if left_kib else 2048 * 1024 - 4096)
    )
    with pytest.raises(FarmError) as caught:
        convert(model, Recipe("onnx"), small_disk, report=made.quiet)
    assert isinstance(caught.value, InfrastructureError)
    assert caught.value.code == "host.disk-full"
    assert not list(small_disk.glob("work/work-*"))
    assert not list(small_disk.glob("*/.*"))
    (small_disk / "filler").unlink()
    assert not convert(model, Recipe("onnx"), small_disk, report=made.quiet).cached
