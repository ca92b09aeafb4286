"""The wheels that the package registry had when this release was made: exact versions, files and hashes."""

from __future__ import annotations

import functools
import json
from importlib import resources
from typing import Any

from farm.wheels.box import OLDEST, Box
from farm.wheels.plan import Refused, Wheel, WheelPlan
from farm.wheels.providers import ELSEWHERE, PROVIDERS, SYSTEM

OWN = "build it yourself and name the folder of your wheels: --wheels FOLDER"


def choose(box: Box, runtimes: tuple[str, ...]) -> WheelPlan:
    """The newest known set that fits, and a reason for each runtime that it has not."""
    level = _level(box)
    found = level.get("requirements", {})
    requirements = {name: tuple(found[name]) for name in runtimes if name in found}
    pins = {pin for each in requirements.values() for pin in each}
    return WheelPlan(
        python=box.python,
        tags=tuple(map(str, box.tags())),
        requirements=requirements,
        refused=tuple(_refusal(box, name) for name in runtimes if name not in found),
        wheels={pin: Wheel(*_wheel(box, pin)) for pin in sorted(pins)},
        system_packages=tuple(SYSTEM.get(box.machine, {}).values()) if requirements else (),
    )


def pythons(machine: str, runtime: str = "") -> tuple[str, ...]:
    """The Pythons (3.11) for which some runtime, or this one, has wheels on a processor, ascending."""
    found = []
    for key, levels in _document()["sets"].items():
        if key.startswith(f"{machine}-cp3") and any(
            runtime in level["requirements"] if runtime else level["requirements"] for level in levels
        ):
            found.append(int(key.rpartition("-cp3")[2]))
    return tuple(f"3.{minor}" for minor in sorted(found))


def levels(machine: str, python: str) -> list[dict[str, Any]]:
    """For each glibc on that brings something new: ``glibc`` and ``requirements`` by runtime."""
    found: list[dict[str, Any]] = _document()["sets"].get(f"{machine}-cp{python.replace('.', '')}", [])
    return found


def blocked(box: Box) -> tuple[str, str] | None:
    """Why no registry has wheels for this box at all, and the way out."""
    if box.machine not in OLDEST:
        fix = "use a 64-bit system (aarch64, x86_64), or 32-bit ARMv7 for LiteRT alone"
        return f"no runtime has wheels for {box.machine or 'an unknown processor'}", fix
    if box.flavour:
        return f"wheels need the ordinary CPython; here {box.flavour}", "install CPython (python3)"
    if box.libc == "musl":
        version = f"{box.libc_version[0]}.{box.libc_version[1]}"
        fix = f"use a system with glibc (Debian, Ubuntu) on the device or in a container there, or {OWN}"
        return f"no runtime has wheels for musl ({version} here); all need glibc", fix
    if box.libc != "glibc":
        return "its C library is not known; wheels need glibc", f"use a system with glibc, or {OWN}"
    return None


def _refusal(box: Box, runtime: str) -> Refused:
    if runtime in ELSEWHERE:
        return Refused(runtime, *ELSEWHERE[runtime])
    if why := blocked(box):
        return Refused(runtime, *why)
    package = " or ".join(words[0] for words in PROVIDERS.get(runtime, ((runtime,),)))
    there = pythons(box.machine, runtime)
    short = ".".join(box.python.split(".")[:2])
    if not there:
        others = " and ".join(name for name in PROVIDERS if pythons(box.machine, name))
        fix = f"use what exists there ({others}), use a 64-bit system, or {OWN}"
        return Refused(runtime, f"there are no wheels of {package} for {box.machine}", fix)
    if short not in there:
        choice = there[0] if len(there) == 1 else f"{there[0]} to {there[-1]}"
        why_not = f"there are no wheels of {package} for {box.machine} and Python {short}, only for {choice}"
        return Refused(runtime, why_not, f"install Python {there[-1]} on the device, or {OWN}")
    least = next(each["glibc"] for each in levels(box.machine, short) if runtime in each["requirements"])
    have = f"{box.libc_version[0]}.{box.libc_version[1]}"
    text = f"{package} for {box.machine} and Python {short} needs glibc {least}, the system has {have}"
    return Refused(runtime, text, f"use a newer system on the device, or {OWN}")


def _level(box: Box) -> dict[str, Any]:
    """The highest level that is not above the box's C library."""
    if blocked(box) is not None:
        return {}
    short = ".".join(box.python.split(".")[:2])
    best: dict[str, Any] = {}
    for level in levels(box.machine, short):
        if tuple(map(int, level["glibc"].split("."))) <= box.libc_version:
            best = level
    return best


def _wheel(box: Box, pin: str) -> tuple[str, str]:
    """The file that fits best; a requirement has one per processor, Python and C library."""
    from packaging.utils import parse_wheel_filename

    order = {tag: place for place, tag in enumerate(box.tags())}

    def place(name: str) -> int:
        return min((order[tag] for tag in parse_wheel_filename(name)[3] if tag in order), default=len(order))

    files: dict[str, str] = _document()["wheels"][pin]
    name = min(files, key=place)
    return name, files[name]


@functools.cache
def _document() -> dict[str, Any]:
    text = (resources.files("farm.wheels") / "known.json").read_text(encoding="utf-8")
    document: dict[str, Any] = json.loads(text)
    return document
