"""Which files the bundle is made of, by hash. The list is ``debian.toml`` beside this file."""

from __future__ import annotations

import hashlib
import tomllib
from dataclasses import dataclass
from importlib import resources

# Raise it when the way the bundle is put together changes.
LAYOUT = 1
ARCHITECTURES = ("aarch64", "x86_64")
LOADERS = {"aarch64": "ld-linux-aarch64.so.1", "x86_64": "ld-linux-x86-64.so.2"}
TRIPLETS = {"aarch64": "aarch64-linux-gnu", "x86_64": "x86_64-linux-gnu"}
WHEEL_PLATFORMS = {"aarch64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
PYTHON = "3.11"
WHEELS = "wheels.txt"


@dataclass(frozen=True)
class Deb:
    """One package of Debian's pool, exactly this file."""

    package: str
    version: str
    size_bytes: int
    sha256: str
    path: str


@dataclass(frozen=True)
class Pins:
    """Everything that a bundle of one architecture is made of. ``wheels``: the text of the locked list."""

    arch: str
    snapshot: str
    debs: tuple[Deb, ...]
    wheels: str

    def recipe(self, *more: str) -> str:
        """Names what comes out of these pins and of ``more``: the same recipe gives the same bundle."""
        parts = [str(LAYOUT), self.arch, self.wheels, *(deb.sha256 for deb in self.debs), *more]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def load(arch: str) -> Pins:
    """The pins of this release of farm for ``aarch64`` or ``x86_64``."""
    here = resources.files("farm.phone")
    found = tomllib.loads((here / "debian.toml").read_text(encoding="utf-8"))
    wheels = (here / WHEELS).read_text(encoding="utf-8")
    return Pins(arch, found["snapshot"], tuple(Deb(**each) for each in found[arch]), wheels)
