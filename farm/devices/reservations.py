"""Devices kept for one person for a while, or until they are unlocked; every change is audited."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from farm import audit
from farm.devices.leases import database_clock, lock_device
from farm.devices.waiting import reserved_at
from farm.errors import InfrastructureError, UsageError
from farm_results.storage.engine import insert_into, writing
from farm_results.storage.faults import store_faults
from farm_results.storage.schema import RESERVATION

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


@dataclass(frozen=True)
class Reservation:
    """``owner``: user@host. ``until_unix_s`` None: until it is unlocked; ``left_s``: until then, by the
    database's clock."""

    device: str
    owner: str
    reason: str
    since_unix_s: float
    until_unix_s: float | None
    left_s: float | None = None

    def text(self) -> str:
        """By whom, why and until when, for messages."""
        until = "until it is unlocked" if self.until_unix_s is None else f"until {_when(self.until_unix_s)}"
        return f"reserved by {self.owner} {until}{f': {self.reason}' if self.reason else ''}"


def reserve(engine: Engine, device: str, owner: str, *, for_s: float | None, reason: str) -> Reservation:
    """Keep the device for ``owner``; one's own reservation is replaced.

    Raises InfrastructureError ``lease.reserved`` when it is somebody else's, and as ``Store`` does.
    """
    now = database_clock(engine)
    until = None if for_s is None else now + for_s
    values = {"owner": owner, "reason": reason, "since_unix_s": now, "until_unix_s": until}
    row = insert_into(engine, RESERVATION).values(device=device, **values)
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        lock_device(connection, device)
        current = _current(engine, connection, device)
        if current is not None and current.owner != owner:
            raise refusal(current)
        connection.execute(row.on_conflict_do_update(index_elements=[RESERVATION.c.device], set_=values))
        made = _current(engine, connection, device)
    audit.append(engine, device, owner, "lock" if for_s is None else "reserve", reason)
    if made is None:  # it is over already
        made = Reservation(device, owner, reason, time.time(), time.time() + (for_s or 0.0))
    return made


def unlock(engine: Engine, device: str, actor: str, *, force: bool = False) -> Reservation | None:
    """End a reservation; what it was, or None when there was none.

    Raises UsageError ``lease.not-yours`` for somebody else's without ``force``; with it, the audit tells.
    """
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        lock_device(connection, device)
        current = _current(engine, connection, device)
        if current is not None and current.owner != actor and not force:
            raise UsageError(
                f"{device} is {current.text()}",
                code="lease.not-yours",
                fix=f"ask {current.owner}, or take it away with `farm devices unlock {device} --force`",
            )
        connection.execute(delete(RESERVATION).where(RESERVATION.c.device == device))
    if current is not None:
        forced = current.owner != actor
        what = f"taken from {current.owner} ({current.reason})" if forced else current.reason
        audit.append(engine, device, actor, "unlock-forced" if forced else "unlock", what)
    return current


def reservation_of(engine: Engine, device: str) -> Reservation | None:
    """The reservation in force now."""
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        return _current(engine, connection, device)


def refusal(current: Reservation) -> InfrastructureError:
    """Why somebody else may not use the device: who has it, why and until when."""
    return InfrastructureError(
        f"{current.device} is {current.text()}",
        code="lease.reserved",
        fix=f"wait for it with --wait, choose another device, or ask {current.owner}; "
        f"`farm devices unlock {current.device} --force` takes it away",
    )


def _current(engine: Engine, connection: Connection, device: str) -> Reservation | None:
    now = database_clock(engine)
    names = ("device", "owner", "reason", "since_unix_s", "until_unix_s")
    columns = [RESERVATION.c[name] for name in names]
    left_s = RESERVATION.c.until_unix_s - now
    query = select(*columns, left_s).where(RESERVATION.c.device == device, reserved_at(now))
    row = connection.execute(query).first()
    return None if row is None else Reservation(*list(row))


def _when(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(unix_s))
