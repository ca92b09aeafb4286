"""Which C library, and whether an emulator runs this Python."""

from __future__ import annotations

import struct
import subprocess
from pathlib import Path

import pytest

from farm_agent import elf, libc


def _program(machine: int, *, wide: bool, loader: bytes = b"") -> bytes:
    """An ELF header with one program header that names a loader."""
    head = struct.pack("<4sBBB9xHHI", b"\x7fELF", 2 if wide else 1, 1, 1, 2, machine, 1)
    if wide:
        head += struct.pack("<QQQIHHHHHH", 0, 64, 0, 0, 64, 56, 1, 0, 0, 0)
        row = struct.pack("<IIQQQQQQ", 3, 4, 64 + 56, 0, 0, len(loader) + 1, 0, 0)
    else:
        head += struct.pack("<IIIIHHHHHH", 0, 52, 0, 0, 52, 32, 1, 0, 0, 0)
        row = struct.pack("<IIIIIIII", 3, 52 + 32, 0, 0, len(loader) + 1, 0, 4, 0)
    return head + row + loader + b"\0"


@pytest.mark.parametrize(("machine", "wide", "name"), [(183, True, "aarch64"), (40, False, "arm")])
def test_a_program_names_its_processor_and_its_loader(
    tmp_path: Path, machine: int, wide: bool, name: str
) -> None:
    path = tmp_path / "python3"
    path.write_bytes(_program(machine, wide=wide, loader=b"/lib/ld-musl-arm.so.1"))
    assert elf.machine(str(path)) == name
    assert elf.interpreter(str(path)) == "/lib/ld-musl-arm.so.1"


@pytest.mark.parametrize("cut", [0, 3, 19, 40, 63, 64, 70, 119])
def test_half_a_program_is_none(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "python3"
    path.write_bytes(_program(183, wide=True, loader=b"/lib/x")[:cut])
    assert elf.machine(str(path)) in ("", "aarch64")
    assert elf.interpreter(str(path)) == ""
    assert elf.machine(str(tmp_path / "none")) == ""


def test_musl_is_recognised_by_its_loader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loader = tmp_path / "ld-musl-test.so.1"
    loader.write_text("#!/bin/sh\necho 'musl libc (test)' >&2\necho 'Version 1.2.5' >&2\nexit 1\n")
    loader.chmod(0o755)
    program = tmp_path / "python3"
    program.write_bytes(_program(62, wide=True, loader=str(loader).encode()))

    def absent(name: str) -> str:
        raise ValueError(name)

    monkeypatch.setattr("os.confstr", absent)
    monkeypatch.setattr("sys.executable", str(program))
    assert libc.libc() == "musl 1.2.5"


def test_this_machine_has_glibc_and_no_emulator() -> None:
    kind, _, version = libc.libc().partition(" ")
    assert kind == "glibc"
    assert version.startswith("2.")
    assert libc.emulator() == ""
    assert libc.python_flavour() == ""


def test_an_emulated_program_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = tmp_path / "python3"
    other.write_bytes(_program(183, wide=True))
    monkeypatch.setattr("sys.executable", str(other))
    assert libc.emulator().startswith("aarch64 on ")


def test_a_32_bit_program_on_its_own_processor_is_not_emulated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "python3"
    other.write_bytes(_program(3, wide=False))
    monkeypatch.setattr("sys.executable", str(other))
    expected = "" if _machine() == "x86_64" else "i386 on"
    assert libc.emulator().startswith(expected)


def _machine() -> str:
    return subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
