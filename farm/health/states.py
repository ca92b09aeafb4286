"""How a device is: its row in the store, how it changes, and whether a measurement may take the device.

``unknown``: never admitted, allowed with a note. ``good``. ``suspect``: something failed; a canary decides.
``quarantined``: not used until a time; a canary decides then. ``retired``: not used any more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from farm.errors import FarmError, InfrastructureError
from farm.health.record import Record

if TYPE_CHECKING:
    from sqlalchemy import Engine

UNKNOWN, GOOD, SUSPECT, QUARANTINED, RETIRED = "unknown", "good", "suspect", "quarantined", "retired"
WORDS = (UNKNOWN, GOOD, SUSPECT, QUARANTINED, RETIRED)

Clock = Callable[["Engine"], float]


@dataclass(frozen=True)
class Standing:
    """One device's row. Times are seconds since 1970 by the database's clock; 0: never.

    ``until_unix_s``: the end of a quarantine; 0 in a quarantine: until a person ends it.
    """

    device: str
    health: str = UNKNOWN
    since_unix_s: float = 0.0
    reason: str = ""
    strikes: int = 0
    until_unix_s: float = 0.0
    seen_unix_s: float = 0.0
    checked_unix_s: float = 0.0
    record: Record = field(default_factory=Record)


@dataclass(frozen=True)
class Usable:
    """Whether a measurement may take a device. ``canary``: only after one that is good. ``error``: why not;
    a person may go on ``anyway``. ``note``: worth telling although it may be used."""

    ok: bool
    health: str
    reason: str = ""
    fix: str = ""
    canary: bool = False
    note: str = ""
    error: FarmError | None = None


def database_now(engine: Engine) -> float:
    """Seconds since 1970 by the clock that all coordinators of a store share."""
    from sqlalchemy import select

    from farm.devices.leases import database_clock
    from farm_results.storage.faults import store_faults

    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        return float(connection.execute(select(database_clock(engine))).scalar_one())


def usable(engine: Engine, device: str, *, clock: Clock = database_now) -> Usable:
    """Whether a measurement may take the device now. Reads only; raises as ``Store`` does."""
    from farm.health import rows

    standing = rows.read(engine, device)
    return judged(standing, clock(engine) if standing.health == QUARANTINED else 0.0)


def judged(standing: Standing, now: float) -> Usable:
    """What a device's row means for a measurement at a time."""
    name, health = standing.device, standing.health
    if health == GOOD:
        return Usable(ok=True, health=health, reason=standing.reason)
    if health == UNKNOWN:
        note = f"{name} was never checked; farm health run -d {name} tells whether it works as it should"
        return Usable(ok=True, health=health, reason=standing.reason, note="" if name == "local" else note)
    if health == SUSPECT or (health == QUARANTINED and 0 < standing.until_unix_s <= now):
        return Usable(ok=True, health=health, reason=standing.reason, canary=True)
    if health == RETIRED:
        text = f"device {name} is retired: {standing.reason}"
        fix = f"enrol it again with farm enroll, or: farm health set {name} unknown --reason '...'"
        error = InfrastructureError(text, code="health.retired", fix=fix)
        return Usable(ok=False, health=health, reason=standing.reason, fix=fix, error=error)
    until = when(standing.until_unix_s) if standing.until_unix_s else "a person ends it"
    text = f"device {name} is quarantined until {until}: {standing.reason}"
    fix = f"mend it and run: farm health recover {name}; or use it as it is with --anyway"
    error = InfrastructureError(text, code="health.quarantined", fix=fix)
    return Usable(ok=False, health=health, reason=standing.reason, fix=fix, error=error)


def when(unix_s: float) -> str:
    """A time for people: UTC to the minute."""
    import time

    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_s))


def moved(standing: Standing, health: str, reason: str, now: float, **changes: Any) -> Standing:  # noqa: ANN401
    """The row in another health (or the same with another reason); ``since`` changes with the health."""
    since = standing.since_unix_s if health == standing.health and standing.since_unix_s else now
    return replace(standing, health=health, reason=reason, since_unix_s=since, **changes)
