"""What to install on one device: pinned requirements per runtime, and what cannot be had there, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from farm_agent.errors import UsageError


class Refused(NamedTuple):
    """A runtime that this device cannot get by wheels."""

    runtime: str
    why: str
    fix: str


class Wheel(NamedTuple):
    """The one file that an installer takes there."""

    file: str
    sha256: str


@dataclass(frozen=True)
class WheelPlan:
    """``python``: the device's version ("3.11.2"); ``tags``: its wheel tags, the best first.

    ``requirements``: for each runtime (the agent's name of it) the ``name==version`` of it and of all that
    it needs; one environment takes all of them together. ``wheels``: the file of each requirement.
    ``system_packages``: those of the device's distribution (Debian's names) that stand in for wheels that do
    not exist; where there are any, the virtual environment must see the system's packages
    (``--system-site-packages``). ``source``: the folder that the wheels were found in, if any.
    """

    python: str
    tags: tuple[str, ...] = field(repr=False)
    requirements: Mapping[str, tuple[str, ...]]
    refused: tuple[Refused, ...] = ()
    wheels: Mapping[str, Wheel] = field(default_factory=dict)
    system_packages: tuple[str, ...] = ()
    source: Path | None = None

    def pins(self, *runtimes: str) -> tuple[str, ...]:
        """Every requirement of these runtimes (default: of all), each once, sorted."""
        chosen = runtimes or tuple(self.requirements)
        return tuple(sorted({pin for name in chosen for pin in self.requirements[name]}))

    def require(self, runtimes: Iterable[str]) -> None:
        """Raise UsageError wheels.none for the first of these runtimes that is refused."""
        wanted = set(runtimes)
        for each in self.refused:
            if each.runtime in wanted:
                raise UsageError(f"{each.runtime}: {each.why}", code="wheels.none", fix=each.fix)

    def locked(self) -> str:
        """A list for ``pip install --no-deps --require-hashes -r``."""
        return "".join(f"{pin} --hash=sha256:{self.wheels[pin].sha256}\n" for pin in self.pins())
