"""Health of devices: who may be used, what a failure means, and when a device is checked.

Heavy parts are imported on use. What the rest of farm calls:

    states.usable(engine, device)   may a measurement take it?
    ready(engine, session, ...)     the same, with the canary that a doubtful device needs first
    blame(engine, device, error)    something failed that may be the device's fault
    admit(engine, session, ...)     a new device: run the canary, take its facts as right
    seen(engine, device, facts)     it answered; which facts changed since they were accepted
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.devices.session import Session
    from farm.errors import FarmError
    from farm.health.states import Clock, Standing
    from farm_agent.wire import Facts


@dataclass(frozen=True)
class Admission:
    """How the check of a new device ended. ``error``: why it is not admitted."""

    ok: bool
    health: str
    reason: str
    p50_ns: float | None = None
    error: FarmError | None = None


def admit(
    engine: Engine,
    session: Session,
    *,
    cache_dir: Path,
    wait_s: float = 60.0,
    stop: threading.Event | None = None,
    say: Callable[[str], None] = lambda _text: None,
    actor: str = "",
    clock: Clock | None = None,
) -> Admission:
    """Run the canary on a device that was just set up: good with its facts accepted, or say why not.

    The device then stays unknown (never quarantined: nobody relied on it). ``session`` is left open.
    Raises what is this machine's fault (its disk, its store), never what is the device's.
    """
    from farm.health import care

    return care.admitted(
        care.Care(engine, cache_dir, wait_s=wait_s, stop=stop or threading.Event(), say=say, clock=clock),
        session,
        actor,
    )


def ready(  # noqa: PLR0913 - keyword-only: what a measurement knows of itself
    engine: Engine,
    session: Session,
    *,
    cache_dir: Path,
    anyway: bool = False,
    wait_s: float = 60.0,
    stop: threading.Event | None = None,
    note: Callable[[str], None] = lambda _text: None,
    announce: Callable[[Standing], None] = lambda _standing: None,
    clock: Clock | None = None,
) -> None:
    """Return when a measurement may take the device; run the canary first where its health asks for it.

    ``note`` is told what is worth a line; ``announce``, that the device was just put out of use. Raises
    health.quarantined, health.retired, health.canary; with ``anyway`` it tells them instead.
    """
    from farm.health import care

    care.made_ready(
        care.Care(
            engine,
            cache_dir,
            wait_s=wait_s,
            stop=stop or threading.Event(),
            say=note,
            clock=clock,
            announce=announce,
        ),
        session,
        anyway=anyway,
    )


def blame(engine: Engine, device: str | Session, error: FarmError, *, clock: Clock | None = None) -> bool:
    """Something failed: a good device becomes suspect when the error speaks of it. True when it did.

    Errors of a job, of a measurement, of this machine and of its store are nobody's blame; an unknown device
    stays unknown. Never raises: a store that is away must not hide the error itself.
    """
    from farm.health import care

    return care.blamed(engine, device, error, clock)


def seen(
    engine: Engine, device: str, facts: Facts | None = None, *, clock: Clock | None = None
) -> tuple[str, ...]:
    """The device answered. Returns what differs from its accepted facts, a line each; never raises."""
    from farm.health import care

    return care.answered(engine, device, facts, clock)


def retire(engine: Engine, device: str, actor: str, reason: str) -> None:
    """The device is not used any more. Raises as ``Store`` does."""
    from farm.health import rows, states

    rows.change(
        engine,
        device,
        actor,
        lambda standing, now: states.moved(
            standing, states.RETIRED, reason, now, until_unix_s=0.0, strikes=0
        ),
    )
