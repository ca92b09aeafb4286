"""The native loop: built reproducibly, packed for three architectures, loaded from memory, and exact."""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import tempfile
import zipfile
from array import array
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farm_agent import native, native_build, pack
from farm_agent.errors import JobError
from farm_agent.loop import PythonLoop, resolution
from tests.support import need

FOREVER = 1 << 62
# e_machine and class (1: 32 bits) of an ELF file.
MACHINES = {"x86_64": (62, 2), "aarch64": (183, 2), "armv7": (40, 1)}
UNDEFINED = 0


@pytest.fixture(scope="module")
def binaries() -> dict[str, bytes]:
    need(_has_zig(), "ziglang is not installed")
    return native_build.binaries()


@pytest.fixture
def library(binaries: dict[str, bytes], monkeypatch: pytest.MonkeyPatch) -> Any:
    """The loop of this machine, as the packed agent would find it."""
    monkeypatch.setattr(
        native, "_resource", lambda name: binaries.get(Path(name).stem) if name.endswith(".so") else None
    )
    return native.load()


def _has_zig() -> bool:
    try:
        native_build._zig()
    except native_build.NotBuilt:
        return False
    return True


class Counter:
    """A C function that returns the statuses it is given, then 0, and counts its calls."""

    def __init__(self, *statuses: int, wide: bool = False) -> None:
        kind: Any = ctypes.c_size_t if wide else ctypes.c_int32
        self.calls: list[tuple[int, ...]] = []
        self._statuses = list(statuses)

        def function(*arguments: int) -> int:
            self.calls.append(arguments)
            return self._statuses.pop(0) if self._statuses else 0

        self._function = ctypes.CFUNCTYPE(kind, *[ctypes.c_size_t] * 8)(function)
        self._status_bytes = 8 if wide else 4

    def call(self, *arguments: int, status_bytes: int | None = None) -> native.Call:
        address = ctypes.cast(self._function, ctypes.c_void_p).value or 0
        width = self._status_bytes if status_bytes is None else status_bytes
        return native.Call(address, arguments, width, self._failed)

    def _failed(self, status: int) -> JobError:
        """As a method: what holds the call holds the function, which would else go with the next garbage."""
        return JobError(f"status {status}", code="runtime.run-failed")


def test_the_same_source_and_compiler_give_the_same_bytes(
    binaries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "other"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert native_build.binaries() == binaries


def test_it_is_compiled_once_and_damage_in_the_cache_is_noticed(
    binaries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    compiled: list[str] = []
    real = native_build._compile_one

    def counted(zig: str, folder: Path, arch: str) -> bytes:
        compiled.append(arch)
        return real(zig, folder, arch)

    monkeypatch.setattr(native_build, "_compile_one", counted)
    assert native_build.binaries() == native_build.binaries() == binaries
    assert compiled == ["x86_64", "aarch64", "armv7"]
    next(native_build.cache_folder().glob("*/aarch64.so")).write_bytes(b"damaged")
    assert native_build.binaries() == binaries
    assert len(compiled) == 6


def test_a_cache_that_cannot_be_written_only_costs_time(
    binaries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "farm").write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert native_build.binaries() == binaries


@pytest.mark.parametrize("arch", sorted(MACHINES))
def test_each_library_is_of_its_architecture_and_needs_nothing(arch: str, binaries: dict[str, bytes]) -> None:
    data = binaries[arch]
    machine, bits = MACHINES[arch]
    assert data[:4] == b"\x7fELF"
    assert data[4] == bits
    assert struct.unpack_from("<H", data, 18)[0] == machine
    # Neither a C library nor a symbol of one: what is not there cannot be too new.
    for word in (b"libc.so", b"GLIBC", b"clock_gettime", b"__aeabi", b"memset"):
        assert word not in data
    assert b"farm_run" in data


def test_the_zipapp_holds_all_three(binaries: dict[str, bytes], tmp_path: Path) -> None:
    with zipfile.ZipFile(pack.build(tmp_path).path) as archive:
        held = {Path(name).stem: archive.read(name) for name in archive.namelist() if name.endswith(".so")}
    assert held == binaries


def test_without_a_compiler_the_agent_says_so(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['ziglang'] = None\n"
        "import importlib.util as u; real = u.find_spec\n"
        "u.find_spec = lambda name, *rest: None if name == 'ziglang' else real(name, *rest)\n"
        "from pathlib import Path; from farm_agent import pack; print(pack.build(Path(sys.argv[1])).path)"
    )
    argv = [sys.executable, "-c", code, str(tmp_path)]
    packed = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.strip()
    code = "import sys; sys.path.insert(0, sys.argv[1]); from farm_agent import native; native.load()"
    argv = [sys.executable, "-c", code, packed]
    said = subprocess.run(argv, capture_output=True, text=True, check=False).stderr
    assert "the agent was packed without its native loop: pip install 'edgefarm[native]'" in said


def test_a_compiler_that_fails_is_quoted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "zig"
    program.write_text("#!/bin/sh\necho 'error: no space left' >&2\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(native_build, "_zig", lambda: (str(program), "0"))
    with pytest.raises(native_build.NotBuilt, match="zig failed: error: no space left"):
        native_build.binaries()


def test_rows_are_ordered_and_hold_as_many_calls_as_asked(library: Any) -> None:
    counter = Counter()
    loop = native.NativeLoop(library, counter.call(1, 2, 3))
    rows = array("q", bytes(16 * 20))
    assert loop.run(rows, 5, 10, FOREVER, 3) == 10
    assert len(counter.calls) == 30
    assert {call[:3] for call in counter.calls} == {(1, 2, 3)}
    assert set(rows[:10]) == {0}
    assert set(rows[30:]) == {0}
    assert list(rows[10:30]) == sorted(rows[10:30])
    assert rows[10] > 0
    assert (loop.harness, loop.fallback) == ("native", "")


def test_it_ends_after_the_first_row_that_reaches_the_time(library: Any) -> None:
    counter = Counter()
    loop = native.NativeLoop(library, counter.call())
    rows = array("q", bytes(16 * 100))
    assert loop.run(rows, 0, 100, 0) == 1
    assert rows[2:] == array("q", bytes(16 * 99))
    until = loop.now() + 200_000
    done = loop.run(rows, 0, 100, until)
    assert all(end < until for end in rows[1 : 2 * done - 1 : 2])
    assert done == 100 or rows[2 * done - 1] >= until


@pytest.mark.parametrize(("wide", "status"), [(False, 3), (False, -14), (True, 1 << 40)])
def test_a_failing_call_ends_it_with_its_status(library: Any, *, wide: bool, status: int) -> None:
    counter = Counter(0, 0, status, wide=wide)
    loop = native.NativeLoop(library, counter.call())
    rows = array("q", bytes(16 * 10))
    with pytest.raises(JobError, match=f"status {status}$"):
        loop.run(rows, 0, 10, FOREVER)
    assert len(counter.calls) == 3
    assert rows[3] > 0
    assert set(rows[4:]) == {0}


def test_only_as_much_of_the_status_counts_as_the_function_returns(library: Any) -> None:
    """The upper half of the register is anything after a function that returns an int."""
    rows = array("q", bytes(16 * 4))
    upper = Counter(1 << 32, wide=True)
    assert native.NativeLoop(library, upper.call(status_bytes=4)).run(rows, 0, 4, FOREVER) == 4
    nothing = Counter(7)
    assert native.NativeLoop(library, nothing.call(status_bytes=0)).run(rows, 0, 4, FOREVER) == 4
    with pytest.raises(JobError, match="status 7"):
        native.once(Counter(7).call())()


def test_rows_that_do_not_fit_are_refused(library: Any) -> None:
    loop = native.NativeLoop(library, Counter().call())
    rows = array("q", bytes(16 * 4))
    assert loop.run(rows, 0, 0, FOREVER) == 0
    for first, count, calls in ((2, 3, 1), (-1, 2, 1), (0, 4, 0)):
        with pytest.raises(ValueError, match="do not fit"):
            loop.run(rows, first, count, FOREVER, calls)


def test_both_loops_tell_one_time_and_a_plausible_clock(library: Any) -> None:
    loop = native.NativeLoop(library, Counter().call())
    plain = PythonLoop(lambda: None)
    first, second, third = plain.now(), loop.now(), plain.now()
    assert first <= second <= third
    for found in (loop, plain):
        assert 0 <= found.step_ns < 100_000_000
        assert 0 <= found.cost_ns < 1_000_000
    assert resolution([5, 5, 8, 8, 18]) == (3, 3)


def test_it_is_loaded_from_a_file_where_memory_holds_no_programs(
    library: Any, binaries: dict[str, bytes], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> int:
        raise PermissionError("not here")

    monkeypatch.setattr(os, "memfd_create", refused)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert native.NativeLoop(native.load(), Counter().call()).now() > 0
    assert list(tmp_path.iterdir()) == []
    monkeypatch.setattr(native, "binary", lambda: b"no library")
    with pytest.raises(native.Unavailable, match=r"cannot be loaded here: not here; .*"):
        native.load()


@pytest.mark.parametrize(
    ("machine", "bits", "arch"),
    [
        ("x86_64", 64, "x86_64"),
        ("aarch64", 64, "aarch64"),
        ("arm64", 64, "aarch64"),
        ("armv7l", 32, "armv7"),
        ("armv8l", 32, "armv7"),
        ("aarch64", 32, "armv7"),
    ],
)
def test_the_architecture_is_that_of_the_process(machine: str, bits: int, arch: str) -> None:
    assert native.architecture(machine, bits) == arch


@pytest.mark.parametrize(("machine", "bits"), [("armv6l", 32), ("riscv64", 64), ("x86_64", 32), ("i686", 32)])
def test_another_architecture_has_no_loop_and_the_reason_names_it(machine: str, bits: int) -> None:
    with pytest.raises(native.Unavailable, match=f"{bits}-bit program on {machine}"):
        native.architecture(machine, bits)


def test_a_checkout_has_no_loop_of_its_own() -> None:
    assert isinstance(native, ModuleType)
    with pytest.raises(native.Unavailable, match="runs without its native loop"):
        native.load()
