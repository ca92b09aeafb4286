"""What an ELF file's header says: its processor, and the loader that it names."""

from __future__ import annotations

import struct

MACHINES = {3: "i386", 40: "arm", 62: "x86_64", 183: "aarch64", 243: "riscv64"}
_PT_INTERP = 3
_LONGEST = 4096


def machine(path: str) -> str:
    """The processor of a program or library (``aarch64``); "" when it is no such file."""
    try:
        with open(path, "rb") as file:
            head = file.read(20)
    except OSError:
        return ""
    if len(head) < 20 or head[:4] != b"\x7fELF":
        return ""
    number = struct.unpack_from(_order(head) + "H", head, 18)[0]
    return MACHINES.get(number, f"elf-{number}")


def interpreter(path: str) -> str:
    """The loader that a program asks for (``/lib/ld-musl-aarch64.so.1``); "" for a static one."""
    try:
        with open(path, "rb") as file:
            head = file.read(64)
            if len(head) < 52 or head[:4] != b"\x7fELF":
                return ""
            order, wide = _order(head), head[4] == 2
            table = struct.unpack_from(order + ("Q" if wide else "I"), head, 32 if wide else 28)[0]
            size, count = struct.unpack_from(order + "HH", head, 54 if wide else 42)
            file.seek(table)
            rows = file.read(size * count)
            for row in range(count):
                if struct.unpack_from(order + "I", rows, row * size)[0] != _PT_INTERP:
                    continue
                at, form = (8, "Q") if wide else (4, "I")
                offset = struct.unpack_from(order + form, rows, row * size + at)[0]
                length = struct.unpack_from(order + form, rows, row * size + (32 if wide else 16))[0]
                file.seek(offset)
                return file.read(min(length, _LONGEST)).rstrip(b"\0").decode("utf-8", "replace")
    except (OSError, struct.error, OverflowError):
        pass
    return ""


def _order(head: bytes) -> str:
    return ">" if head[5] == 2 else "<"
