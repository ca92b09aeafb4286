"""Which C library this Python runs on, and what keeps it from ordinary wheels."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import sysconfig

from farm_agent import elf, sysfs

LOADER_TIMEOUT_S = 10.0
# A kernel runs its own processor's 32-bit programs without an emulator.
_FAMILIES = ({"x86_64", "i386"}, {"aarch64", "arm"})


def libc() -> str:
    """``glibc 2.36``, ``musl 1.2.3``, or "" where neither can be made out."""
    try:
        named = os.confstr("CS_GNU_LIBC_VERSION")  # musl and Android have no such name
    except (ValueError, OSError):
        named = None
    if named:
        return named
    loader = elf.interpreter(sys.executable)
    if "musl" in loader.rpartition("/")[2]:
        return f"musl {musl_version(_says(loader))}".strip()
    return " ".join(part for part in platform.libc_ver() if part)


def musl_version(text: str) -> str:
    """Of what musl's loader prints about itself: ``Version 1.2.3``."""
    for line in text.splitlines():
        word, _, version = line.strip().partition(" ")
        if word == "Version" and version[:1].isdigit():
            return version.split()[0]
    return ""


def python_flavour() -> str:
    """Why this Python takes no ordinary wheels; "" when it does."""
    if platform.python_implementation() != "CPython":
        return f"it is {platform.python_implementation()}"
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "it is a free-threaded build"
    return ""


def emulator() -> str:
    """What runs this program's foreign instructions (``aarch64 on x86_64``); "" on a processor of its kind.

    An emulator for single programs (qemu-user, box64) answers for /proc/self/exe with the program that it
    runs; the same link of a thread still names the emulator itself.
    """
    own = elf.machine(sys.executable)
    for truly in (elf.machine("/proc/thread-self/exe"), kernel_arch()):
        if own and truly and own != truly and {own, truly} not in _FAMILIES:
            return f"{own} on {truly}"
    return ""


def _says(loader: str) -> str:
    try:
        done = subprocess.run(
            [loader],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            timeout=LOADER_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stderr[:4096].decode("utf-8", "replace")


def kernel_arch() -> str:
    """What the kernel was built for, in ``elf``'s words, where it tells (Linux 6.1 and newer); else ""."""
    named = sysfs.text("/proc/sys/kernel/arch", 64) or ""
    if named.startswith("arm"):
        return "arm"
    return "i386" if named in ("i386", "i486", "i586", "i686") else named
