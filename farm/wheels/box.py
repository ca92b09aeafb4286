"""What decides which wheels fit: processor, Python, C library; read from an agent's facts or from a word."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags

from farm_agent.errors import UsageError
from farm_agent.wire import Facts

EXAMPLE = "aarch64-cp311-glibc2.36"
OLDEST = {"x86_64": 5, "aarch64": 17, "armv7l": 17}
"""The minor version of the oldest glibc 2 that wheels name for a processor; others have no wheels at all."""
_NAMES = {"amd64": "x86_64", "arm64": "aarch64", "armv8l": "armv7l", "armhf": "armv7l", "i386": "i686"}
_IN_32_BITS = {"aarch64": "armv7l", "x86_64": "i686"}
_WORD = re.compile(
    r"(?P<machine>\w+)-(?:cp|py)?(?P<major>3)\.?(?P<minor>\d+)-(?P<libc>glibc|musl)(?P<version>\d+\.\d+)"
)
_LIBC = re.compile(r"(?P<kind>glibc|musl|libc)\D*(?P<major>\d+)\.(?P<minor>\d+)")
_LEGACY = {5: "manylinux1", 12: "manylinux2010", 17: "manylinux2014"}


@dataclass(frozen=True)
class Box:
    """``machine``: of the programs, not of the kernel (armv7l for a 32-bit system on a 64-bit kernel).

    ``libc``: glibc, musl, or "" where the agent could not tell; ``flavour``: why this Python takes no
    ordinary wheels (another implementation, a free-threaded build), else "".
    """

    machine: str
    python: str
    libc: str
    libc_version: tuple[int, int]
    flavour: str = ""

    @property
    def word(self) -> str:
        """As ``parse`` reads it."""
        libc = f"{self.libc or 'unknown'}{self.libc_version[0]}.{self.libc_version[1]}"
        return f"{self.machine}-{self.abi}-{libc}"

    @property
    def full(self) -> str:
        """The version with all three numbers."""
        return self.python if self.python.count(".") > 1 else f"{self.python}.0"

    @property
    def abi(self) -> str:
        """cp311 for Python 3.11."""
        return "cp" + "".join(self.python.split(".")[:2])

    def platforms(self) -> Iterator[str]:
        """Platform tags of wheels that this C library carries, the newest first; none for musl."""
        oldest = OLDEST.get(self.machine)
        if self.libc != "glibc" or oldest is None or self.libc_version[0] != 2:
            return
        for minor in range(self.libc_version[1], oldest - 1, -1):
            yield f"manylinux_2_{minor}_{self.machine}"
            if minor in _LEGACY:
                yield f"{_LEGACY[minor]}_{self.machine}"
        yield f"linux_{self.machine}"

    def tags(self) -> tuple[Tag, ...]:
        """The tags of wheels that an installer takes there, the best first."""
        major, minor = (int(part) for part in self.python.split(".")[:2])
        platforms = list(self.platforms())
        own = cpython_tags((major, minor), platforms=platforms) if platforms else ()
        return (*own, *compatible_tags((major, minor), self.abi, platforms or ["any"]))


def of_facts(facts: Facts) -> Box:
    """The box that an agent describes."""
    machine = _NAMES.get(facts.machine, facts.machine)
    if facts.details.get("userland_bits") == 32:
        machine = _IN_32_BITS.get(machine, machine)
    found = _LIBC.search(facts.libc)
    kind = "" if found is None else found["kind"].replace("libc", "glibc").replace("gg", "g")
    version = (0, 0) if found is None else (int(found["major"]), int(found["minor"]))
    return Box(machine, facts.python, kind, version, str(facts.details.get("python_flavour") or ""))


def parse(word: str) -> Box:
    """``aarch64-cp311-glibc2.36``. Raises UsageError wheels.target."""
    found = _WORD.fullmatch(word.strip())
    if found is None:
        raise UsageError(
            f"{word!r} does not say for which machine",
            code="wheels.target",
            fix=f"give processor, Python and C library, as in {EXAMPLE}, or the name of a device",
        )
    major, minor = (int(part) for part in found["version"].split("."))
    machine = _NAMES.get(found["machine"], found["machine"])
    return Box(machine, f"{found['major']}.{found['minor']}", found["libc"], (major, minor))
