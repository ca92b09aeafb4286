"""What to install on one device: pinned requirements per runtime, and what cannot be had there, and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


class Refused(NamedTuple):
    """A runtime that this device cannot get by wheels."""

    runtime: str
    why: str
    fix: str


@dataclass(frozen=True)
class WheelPlan:
    """``python``: the device's version ("3.11.2"); ``tags``: its wheel tags, the best first.

    ``requirements``: for each runtime (the agent's name of it) the ``name==version`` of it and of all that
    it needs; one environment takes all of them together. ``hashes``: ``sha256:...`` by requirement, of the
    one wheel that fits. ``system_packages``: those of the device's distribution (Debian's names) that stand
    in for wheels that do not exist; where there are any, the virtual environment must see the system's
    packages (``--system-site-packages``).
    """

    python: str
    tags: tuple[str, ...]
    requirements: Mapping[str, tuple[str, ...]]
    refused: tuple[Refused, ...] = ()
    hashes: Mapping[str, str] = field(default_factory=dict)
    system_packages: tuple[str, ...] = ()

    def all(self, runtimes: Iterable[str] = ()) -> tuple[str, ...]:
        """Every requirement of these runtimes (default: of all), each once, sorted."""
        chosen = tuple(runtimes) or tuple(self.requirements)
        return tuple(sorted({pin for name in chosen for pin in self.requirements[name]}))
