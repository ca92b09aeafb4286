"""What happens to a device's health: admission, blame, the canary's word, and the ladder when it fails."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm import audit
from farm.devices.holder import holder_text
from farm.errors import FarmError, InfrastructureError
from farm.health import Admission, canary, drift, quarantine, rows, usual
from farm.health.states import (
    GOOD,
    QUARANTINED,
    RETIRED,
    SUSPECT,
    UNKNOWN,
    Clock,
    Standing,
    Usable,
    database_now,
    judged,
    moved,
)

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from farm.devices.session import Session
    from farm.health.canary import Sung
    from farm.recovery import Climb
    from farm.switches import Switch
    from farm_agent.wire import Facts

ACTOR = "farm health"


@dataclass(frozen=True)
class Care:
    """What looking after a device needs. ``switch``: of its power, for the ladder. ``patience_s`` and
    ``boot_s`` as in ``recovery.Patient``. ``announce`` hears of a device that a measurement's canary put out
    of use."""

    engine: Engine
    cache_dir: Path
    wait_s: float = 60.0
    stop: threading.Event = field(default_factory=threading.Event)
    say: Callable[[str], None] = lambda _text: None
    clock: Clock | None = None
    switch: Switch | None = None
    actor: str = ACTOR
    patience_s: float = 20.0
    boot_s: float = 240.0
    announce: Callable[[Standing], None] = lambda _standing: None

    def now(self) -> float:
        """Seconds since 1970."""
        return (self.clock or database_now)(self.engine)


@dataclass(frozen=True)
class Exam:
    """How a check ended. ``error``: what was wrong, and still is unless the climb helped; ``busy``: it could
    not be checked, for it is in use."""

    standing: Standing
    error: FarmError | None = None
    climb: Climb | None = None
    busy: bool = False

    @property
    def ok(self) -> bool:
        """Whether the device works."""
        return not self.busy and (self.error is None or bool(self.climb and self.climb.helped))


def examined(care: Care, session: Session, *, ladder: bool) -> Exam:
    """Run the canary; where it fails, climb the ladder (or, without it, quarantine at once).

    A device that never was good is not quarantined, and a retired one stays so. Raises what is not the
    device's fault, but for its being in use.
    """
    name = session.device.name
    try:
        standing = _sung(care, session)
    except FarmError as error:
        if error.code.startswith(canary.IN_USE):
            return Exam(rows.read(care.engine, name), error, busy=True)
        if not canary.speaks_of_device(error):
            raise
        return _failed(care, session, error, ladder=ladder)
    return Exam(standing)


def recovered(care: Care, session: Session) -> Exam:
    """Run the canary and, when it fails, climb the ladder, whatever the device's health was: a person asked.

    Raises what is not the device's fault.
    """
    try:
        return Exam(_sung(care, session))
    except FarmError as error:
        if not canary.speaks_of_device(error):
            raise
        return climbed(care, session, error)


def admitted(care: Care, session: Session, actor: str) -> Admission:
    """See ``farm.health.admit``."""
    care = replace(care, actor=actor or audit.person())
    name = session.device.name
    try:
        standing = _sung(care, session, fresh=True)
    except FarmError as error:
        if not canary.speaks_of_device(error) and not error.code.startswith(canary.IN_USE):
            raise
        reason = f"not admitted: {quarantine.why(error)}"

        def how(before: Standing, now: float) -> Standing:
            return moved(before, UNKNOWN, reason, now, until_unix_s=0.0)

        standing = rows.change(care.engine, name, care.actor, how, clock=care.clock)[1]
        return Admission(ok=False, health=standing.health, reason=reason, error=error)
    last = standing.record.last
    return Admission(
        ok=True,
        health=standing.health,
        reason=standing.reason,
        p50_ns=last.p50_ns if last else None,
    )


def made_ready(care: Care, session: Session, *, anyway: bool) -> None:
    """See ``farm.health.ready``."""
    name = session.device.name
    standing = rows.read(care.engine, name)
    state = judged(standing, care.now() if standing.health == QUARANTINED else 0.0)
    if state.note:
        care.say(state.note)
    if state.canary and not anyway:
        care.say(f"{name} is {state.health} ({state.reason}): its canary runs first")
        exam = examined(care, session, ladder=False)
        if exam.busy and exam.error is not None:
            raise exam.error
        if exam.error is None:
            care.say(f"{name} is good again")
            return
        if exam.standing.health == QUARANTINED:
            care.announce(exam.standing)
        state = judged(exam.standing, care.now())
    if not state.ok or state.canary:
        _refuse(care, name, state, anyway=anyway)


def blamed(engine: Engine, device: str | Session, error: FarmError, clock: Clock | None) -> bool:
    """See ``farm.health.blame``."""
    name = device if isinstance(device, str) else device.device.name
    if not isinstance(error, InfrastructureError) or not canary.speaks_of_device(error):
        return False

    def how(before: Standing, now: float) -> Standing:
        if before.health != GOOD:
            return before
        return moved(before, SUSPECT, quarantine.why(error), now)

    with contextlib.suppress(FarmError):
        before, after = rows.change(engine, name, "farm bench", how, clock=clock, create=False)
        return before.health != after.health
    return False


def answered(engine: Engine, device: str, facts: Facts | None, clock: Clock | None) -> tuple[str, ...]:
    """See ``farm.health.seen``."""
    traits = drift.traits(facts) if facts else {}

    def how(before: Standing, now: float) -> Standing:
        after = rows.touched(before, now)
        return replace(after, record=replace(after.record, facts=traits)) if traits else after

    with contextlib.suppress(FarmError):
        _, after = rows.change(engine, device, "farm bench", how, clock=clock, create=False)
        return drift.differences(after.record.accepted, traits)
    return ()


def _refuse(care: Care, name: str, state: Usable, *, anyway: bool) -> None:
    """Raise why the device may not be used, or tell it to a person who wants it anyway."""
    if not anyway:
        raise state.error or InfrastructureError(
            f"device {name} is {state.health}: {state.reason}",
            code="health.quarantined",
            fix=f"farm health recover {name}",
        )
    care.say(f"{name} is {state.health} ({state.reason}), and used anyway")
    audit.append(care.engine, name, audit.person(), "health.overridden", f"used although {state.health}")


def _sung(care: Care, session: Session, *, fresh: bool = False) -> Standing:
    """The canary ran right: the row says so. ``fresh``: also take the facts and the speed as usual.

    A device that was good loses a strike with each; the canary that ends a quarantine takes none off, so
    that a device that fails again and again stays out for longer each time.
    """
    sung = canary.sing(
        care.engine,
        session,
        cache_dir=care.cache_dir,
        holder=holder_text(care.actor),
        wait_s=care.wait_s,
        stop=care.stop,
        now=care.now(),
    )

    def how(before: Standing, now: float) -> Standing:
        return _good(before, now, sung, fresh=fresh)

    return rows.change(care.engine, session.device.name, care.actor, how, clock=care.clock)[1]


def _good(before: Standing, now: float, sung: Sung, *, fresh: bool) -> Standing:
    traits = drift.traits(sung.facts)
    earlier = () if fresh else before.record.canaries
    flagged = usual.judged(sung.canary, earlier)
    accepted = traits if fresh or not before.record.accepted else before.record.accepted
    record = replace(
        before.record, accepted=accepted, facts=traits, canaries=usual.kept(earlier, flagged), told_unix_s=0.0
    )
    checked = replace(before, record=record, seen_unix_s=now, checked_unix_s=now)
    if before.health == RETIRED and not fresh:
        return checked
    strikes = max(0, before.strikes - 1) if before.health == GOOD else before.strikes
    reason = f"slower than usual by {100 * flagged.slower:.0f} %" if flagged.slower else "canary right"
    if not flagged.slower and before.health == GOOD and before.reason.startswith("accepted"):
        reason = before.reason
    return moved(checked, GOOD, reason, now, strikes=0 if fresh else strikes, until_unix_s=0.0)


def _failed(care: Care, session: Session, error: FarmError, *, ladder: bool) -> Exam:
    """A canary failed by the device's fault: suspect, then up the ladder, whose last rung is quarantine."""
    name = session.device.name

    def how(before: Standing, now: float) -> Standing:
        if before.health == GOOD:
            return moved(before, SUSPECT, quarantine.why(error), now, checked_unix_s=now)
        return replace(before, checked_unix_s=now)

    standing = rows.change(care.engine, name, care.actor, how, clock=care.clock)[1]
    if standing.health in (UNKNOWN, RETIRED):
        return Exam(standing, error)
    if not ladder:
        standing = quarantine.put(care.engine, name, care.actor, quarantine.why(error), clock=care.clock)
        return Exam(standing, error)
    return climbed(care, session, error)


def climbed(care: Care, session: Session, error: FarmError) -> Exam:
    """Up the recovery ladder until the canary sings again."""
    from farm import recovery

    problems = [error]

    def works() -> FarmError | None:
        try:
            _sung(care, session)
        except FarmError as again:
            if not canary.speaks_of_device(again):
                raise
            problems.append(again)
            return again
        return None

    patient = recovery.Patient(
        care.engine,
        session,
        care.switch,
        error,
        care.actor,
        care.stop,
        patience_s=care.patience_s,
        boot_s=care.boot_s,
        clock=care.clock,
    )
    climb = recovery.climb(patient, works)
    standing = rows.read(care.engine, session.device.name)
    return Exam(standing, problems[-1], climb)
