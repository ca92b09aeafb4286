"""The recovery ladder: one file per step, tried in the order of their rungs until the device works again.

A file must provide:

    RUNG: int                          where on the ladder it stands, from the mildest up
    skip(patient) -> str               why it cannot be tried here; "": it can
    climb(patient) -> str              do it; what was done. Raises FarmError when it could not be done
    MENDS: bool = True                 False: nothing to try the device for afterwards

Files are listed by name without importing any. After every step that mends the device must answer hello and
do its canary right; what was tried, and how it ended, goes into the audit trail.
"""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm.errors import FarmError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.devices.session import Session
    from farm.health.states import Clock
    from farm.switches import Switch


@dataclass(frozen=True)
class Patient:
    """The device that a step works on and what is wrong with it. ``switch``: of its power, if known.

    ``patience_s``: how long a step waits for a device that should answer; ``boot_s``: for one that starts up.
    """

    engine: Engine
    session: Session
    switch: Switch | None
    problem: FarmError
    actor: str
    stop: threading.Event
    patience_s: float = 20.0
    boot_s: float = 240.0
    clock: Clock | None = None

    @property
    def name(self) -> str:
        """The device's name."""
        return self.session.device.name


@dataclass(frozen=True)
class Tried:
    """One step and how it ended: ``skipped`` why, ``failed`` to be done, ``helped`` or not."""

    step: str
    outcome: str
    text: str


@dataclass(frozen=True)
class Climb:
    """The steps that were tried, in order. ``helped``: the device works again after the last of them."""

    helped: bool
    tried: tuple[Tried, ...]


def names() -> tuple[str, ...]:
    """Every step, without importing any, by name."""
    return tuple(sorted(each.name for each in pkgutil.iter_modules(__path__) if not each.ispkg))


def ladder() -> tuple[tuple[str, Any], ...]:
    """Every step's name and module, from the lowest rung up."""
    steps = [(name, importlib.import_module(f"farm.recovery.{name}")) for name in names()]
    return tuple(sorted(steps, key=lambda step: step[1].RUNG))


def climb(patient: Patient, works: Callable[[], FarmError | None]) -> Climb:
    """Try the steps until ``works`` finds nothing wrong any more; every step leaves a row in the audit trail.

    ``works`` asks the device for hello and runs its canary. Raises as ``Store`` does.
    """
    from farm import audit

    tried: list[Tried] = []
    for name, step in ladder():
        found, helped = _take(name, step, patient, works)
        tried.append(found)
        audit.append(
            patient.engine, patient.name, patient.actor, f"recovery.{name}", f"{found.outcome}: {found.text}"
        )
        if helped:
            return Climb(helped=True, tried=tuple(tried))
    return Climb(helped=False, tried=tuple(tried))


def _take(
    name: str,
    step: Any,  # noqa: ANN401 - a module
    patient: Patient,
    works: Callable[[], FarmError | None],
) -> tuple[Tried, bool]:
    """One step and, when it could be done, the proof whether it helped."""
    why = step.skip(patient)
    if why:
        return Tried(name, "skipped", why), False
    try:
        text = step.climb(patient)
    except FarmError as error:
        return Tried(name, "failed", f"{error.code}: {error.message}"), False
    if not getattr(step, "MENDS", True):
        return Tried(name, "done", text), False
    problem = works()
    if problem is None:
        return Tried(name, "helped", text), True
    return Tried(name, "no help", f"{text}; then {problem.code}: {problem.message}"), False
