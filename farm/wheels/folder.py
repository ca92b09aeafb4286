"""Wheels that lie in a folder (a site without a network, or ones of your own): which of them fit together."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from functools import cached_property
from pathlib import Path

from packaging.markers import default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from packaging.version import Version

from farm.errors import UsageError
from farm.wheels.box import Box
from farm.wheels.plan import Refused, Wheel, WheelPlan
from farm.wheels.providers import ELSEWHERE, PROVIDERS, SYSTEM


@dataclass(frozen=True)
class Found:
    """One wheel that fits. ``place``: how well, 0 best."""

    path: Path
    name: str
    version: Version
    place: int

    @property
    def pin(self) -> str:
        """As a requirement."""
        return f"{self.name}=={self.version}"

    @cached_property
    def needs(self) -> tuple[Requirement, ...]:
        """What its metadata declares. Raises UsageError wheels.broken."""
        return tuple(Requirement(line) for line in self._head.get_all("Requires-Dist", []))

    @cached_property
    def pythons(self) -> SpecifierSet:
        """The Pythons that it declares."""
        return SpecifierSet(self._head.get("Requires-Python") or "")

    @cached_property
    def _head(self) -> Message:
        try:
            with zipfile.ZipFile(self.path) as wheel:
                name = next(each for each in wheel.namelist() if each.endswith(".dist-info/METADATA"))
                head = HeaderParser().parsestr(wheel.read(name).decode("utf-8", "replace"))
            for line in head.get_all("Requires-Dist", []):
                Requirement(line)
            SpecifierSet(head.get("Requires-Python") or "")
        except (OSError, zipfile.BadZipFile, StopIteration, InvalidRequirement, InvalidSpecifier) as error:
            raise UsageError(
                f"{self.path} is no readable wheel: {error}",
                code="wheels.broken",
                fix="download it again: farm wheels fetch",
            ) from error
        return head


def choose(box: Box, runtimes: tuple[str, ...], folder: Path) -> WheelPlan:
    """The newest wheels of the folder that fit the box and each other. Raises UsageError wheels.folder."""
    if not folder.is_dir():
        raise UsageError(
            f"{folder} is no folder of wheels", code="wheels.folder", fix="farm wheels fetch --out FOLDER"
        )
    stock = _stock(box, folder)
    given = SYSTEM.get(box.machine, {})
    taken: dict[str, Found] = {}
    requirements: dict[str, tuple[str, ...]] = {}
    refused: list[Refused] = []
    for runtime in runtimes:
        if runtime in ELSEWHERE:
            refused.append(Refused(runtime, *ELSEWHERE[runtime]))
            continue
        for words in PROVIDERS.get(runtime, ((runtime,),)):
            wanted = [Requirement(word) for word in words]
            solved = next(_solve(box, wanted, taken, stock, given), None)
            if solved is not None:
                taken = solved
                requirements[runtime] = tuple(sorted(_reached(box, wanted, solved)))
                break
        else:
            refused.append(_refusal(box, runtime, folder, stock))
    names = {pin.partition("==")[0] for pins in requirements.values() for pin in pins}
    missing = sorted(given[name] for name in given if name not in taken) if requirements else []
    return WheelPlan(
        python=box.python,
        tags=tuple(map(str, box.tags())),
        requirements=requirements,
        refused=tuple(refused),
        wheels={taken[name].pin: Wheel(taken[name].path.name, sha256(taken[name].path)) for name in names},
        system_packages=tuple(missing),
        source=folder,
    )


def sha256(path: Path) -> str:
    """Of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stock(box: Box, folder: Path) -> dict[str, list[Found]]:
    """Wheels that fit, by name, the best first: newest version, then closest tag."""
    order = {tag: place for place, tag in enumerate(box.tags())}
    stock: dict[str, list[Found]] = {}
    for path in sorted(folder.glob("*.whl")):
        try:
            name, version, _, tags = parse_wheel_filename(path.name)
        except InvalidWheelFilename:
            continue
        places = [order[tag] for tag in tags if tag in order]
        if places:
            stock.setdefault(name, []).append(Found(path, name, version, min(places)))
    for each in stock.values():
        each.sort(key=lambda found: (found.version, -found.place), reverse=True)
    return stock


def _solve(
    box: Box,
    wanted: list[Requirement],
    taken: dict[str, Found],
    stock: dict[str, list[Found]],
    given: Iterable[str],
) -> Iterator[dict[str, Found]]:
    """Each way to satisfy ``wanted`` beside what is ``taken``, the newest first."""
    if not wanted:
        yield taken
        return
    first, rest = wanted[0], wanted[1:]
    name = canonicalize_name(first.name)
    if not _applies(box, first) or (name in given and name not in stock):
        yield from _solve(box, rest, taken, stock, given)
        return
    if name in taken:
        if first.specifier.contains(taken[name].version, prereleases=True):
            yield from _solve(box, rest, taken, stock, given)
        return
    for found in stock.get(name, []):
        if first.specifier.contains(found.version, prereleases=True) and found.pythons.contains(box.full):
            yield from _solve(box, [*rest, *found.needs], {**taken, name: found}, stock, given)


def _reached(box: Box, wanted: Iterable[Requirement], taken: dict[str, Found]) -> set[str]:
    """The pins of what a runtime needs, itself included."""
    pins: set[str] = set()
    todo = list(wanted)
    while todo:
        each = todo.pop()
        found = taken.get(canonicalize_name(each.name))
        if found is not None and found.pin not in pins and _applies(box, each):
            pins.add(found.pin)
            todo += found.needs
    return pins


def _applies(box: Box, requirement: Requirement) -> bool:
    environment: dict[str, str] = {
        **{key: str(value) for key, value in default_environment().items()},
        "python_version": ".".join(box.full.split(".")[:2]),
        "python_full_version": box.full,
        "platform_machine": box.machine,
        "platform_system": "Linux",
        "sys_platform": "linux",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
        "extra": "",
    }
    return requirement.marker is None or requirement.marker.evaluate(environment)


def _refusal(box: Box, runtime: str, folder: Path, stock: dict[str, list[Found]]) -> Refused:
    package = PROVIDERS.get(runtime, ((runtime,),))[0][0]
    fix = f"where there is a network: farm wheels fetch --for {box.word} --out {folder}"
    if package in stock:
        return Refused(runtime, f"{folder} has {package}, and not all that it needs for {box.word}", fix)
    return Refused(runtime, f"{folder} has no wheel of {package} that fits {box.word}", fix)
