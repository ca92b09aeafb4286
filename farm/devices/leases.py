"""Who may use a device: one row each, taken by one conditional statement, by the database's clock alone.

The fence of a device grows with every take and never shrinks. It travels with the job; an agent that has
seen a higher one refuses a lower one, so a driver that was thought dead cannot come back. A take respects
reservations and who waits before it (``farm.devices.waiting``); these are read under a lock of the device.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import (
    ColumnElement,
    Float,
    and_,
    case,
    cast,
    func,
    literal,
    literal_column,
    or_,
    select,
    text,
    update,
)

from farm_results.storage.engine import insert_into, writing
from farm_results.storage.faults import store_faults
from farm_results.storage.schema import LEASE, LEASED_JOB

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

EXPIRY_S = 90.0
BEAT_S = 15.0

Clock = Callable[["Engine"], ColumnElement[float]]


@dataclass(frozen=True)
class Lease:
    """A device held for a job. ``serial`` counts the takes of the device and identifies this one;
    ``fence`` is the number the agent is shown. ``holder`` is text for people (``farm.devices.holder``)."""

    device: str
    fence: int
    serial: int
    job_id: str
    holder: str


def database_clock(engine: Engine) -> ColumnElement[float]:
    """Seconds since 1970 as the database sees them, as an SQL expression."""
    if engine.dialect.name == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return cast(func.extract("epoch", func.clock_timestamp()), Float(53))


def lock_device(connection: Connection, device: str) -> None:
    """Let nobody else take, wait for or reserve the device until this transaction ends.

    SQLite has one writer at a time anyway.
    """
    if connection.dialect.name != "sqlite":
        key = int.from_bytes(
            hashlib.sha256(device.encode("utf-8", "surrogatepass")).digest()[:8], signed=True
        )
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def take(
    engine: Engine,
    device: str,
    job_id: str,
    holder: str,
    now_source: Clock = database_clock,
    *,
    owner: str = "",
    priority: int = 0,
    ticket: str = "",
) -> Lease | None:
    """Hold ``device`` for ``EXPIRY_S``; None while another lease on it lives, while it is reserved for
    somebody other than ``owner``, or while somebody better waits for it. Never waits for it itself.

    ``ticket``: of the waiting queue, handed back when it is the turn; without one, everybody who waits with
    at least this ``priority`` comes first. A lease whose process provably died on this machine does not
    live. Raises as ``Store`` does when the database cannot be used.
    """
    from farm.devices import waiting

    now = now_source(engine)
    dead = _dead_serial(engine, device, now)
    statement = _take_statement(engine, device, job_id, holder, now, dead)
    job = insert_into(engine, LEASED_JOB).values(device=device, job_id=job_id).on_conflict_do_nothing()
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        lock_device(connection, device)
        if waiting.barred(connection, device, now, owner=owner, priority=priority, ticket=ticket):
            return None
        row = connection.execute(statement).first()
        if row is None:
            return None
        connection.execute(job)
        waiting.left(connection, ticket)
        return Lease(device, int(row[0]), int(row[1]), job_id, holder)


def _take_statement(
    engine: Engine, device: str, job_id: str, holder: str, now: ColumnElement[float], dead: int | None
) -> Any:  # noqa: ANN401 - the two dialects share no class
    values = {"device": device, "serial": 1, "fence": 1, "job_id": job_id, "holder": holder}
    first = insert_into(engine, LEASE).values(**values, expires_unix_s=now + EXPIRY_S)
    free = LEASE.c.expires_unix_s <= now
    return first.on_conflict_do_update(
        index_elements=[LEASE.c.device],
        set_={
            "serial": LEASE.c.serial + 1,
            "fence": LEASE.c.fence + 1,
            "job_id": first.excluded.job_id,
            "holder": first.excluded.holder,
            "expires_unix_s": first.excluded.expires_unix_s,
        },
        where=free if dead is None else or_(free, LEASE.c.serial == dead),
    ).returning(LEASE.c.fence, LEASE.c.serial)


def _dead_serial(engine: Engine, device: str, now: ColumnElement[float]) -> int | None:
    """The number of the take that holds the device although its process is dead for certain."""
    from farm.devices.holder import provably_dead

    current = holder_of(engine, device, lambda _: now)
    return current.serial if current is not None and provably_dead(current.holder) else None


def beat(engine: Engine, lease: Lease, now_source: Clock = database_clock) -> bool:
    """Prolong a lease; False when another holder took the device over, or the lease was released.

    A lease that ran out but that nobody took is still ours.
    """
    return _change(engine, lease, expires_unix_s=now_source(engine) + EXPIRY_S) is not None


def beat_all(engine: Engine, held: Sequence[Lease], now_source: Clock = database_clock) -> set[Lease]:
    """``beat`` for many in one transaction; those that are still ours."""
    expires = now_source(engine) + EXPIRY_S
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        return {
            lease
            for lease in sorted(held, key=lambda lease: lease.device)  # an order that no two processes cross
            if connection.execute(_update(lease, expires_unix_s=expires)).scalar() is not None
        }


def release(engine: Engine, lease: Lease) -> None:
    """Give the device back; does nothing when the lease is no longer ours."""
    _change(engine, lease, expires_unix_s=literal(0.0))


def raise_fence(engine: Engine, lease: Lease, at_least: int) -> int:
    """Lift the device's fence, when its agent has seen higher ones than this store (a store that was
    replaced, or a second store). Returns the fence to use.

    Raises InfrastructureError ``lease.lost`` when the lease is no longer ours.
    """
    from farm.errors import InfrastructureError

    higher = case((LEASE.c.fence < at_least, at_least), else_=LEASE.c.fence)
    fence = _change(engine, lease, fence=higher)
    if fence is None:
        raise InfrastructureError(
            f"another driver took {lease.device} over",
            code="lease.lost",
            fix="farm results list shows what the other run measured",
        )
    return fence


def was_ours(engine: Engine, lease: Lease, job_id: str) -> bool:
    """Whether a driver of this store ever held this device for ``job_id``, so that we may stop it."""
    query = select(LEASED_JOB.c.job_id).where(
        LEASED_JOB.c.device == lease.device, LEASED_JOB.c.job_id == job_id
    )
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        return connection.execute(query).first() is not None


def holder_of(engine: Engine, device: str, now_source: Clock = database_clock) -> Lease | None:
    """The lease that holds the device now; None when it is free."""
    columns = (LEASE.c.device, LEASE.c.fence, LEASE.c.serial, LEASE.c.job_id, LEASE.c.holder)
    query = select(*columns).where(LEASE.c.device == device, LEASE.c.expires_unix_s > now_source(engine))
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        row = connection.execute(query).first()
    return None if row is None else Lease(*row)


def _change(engine: Engine, lease: Lease, **values: Any) -> int | None:  # noqa: ANN401 - SQL expressions
    """Update the lease's row if it still is ours; the fence, or None."""
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        fence = connection.execute(_update(lease, **values)).scalar()
    return None if fence is None else int(fence)


def _update(lease: Lease, **values: Any) -> Any:  # noqa: ANN401 - SQL expressions
    ours = and_(LEASE.c.device == lease.device, LEASE.c.serial == lease.serial, LEASE.c.expires_unix_s > 0.0)
    return update(LEASE).where(ours).values(**values).returning(LEASE.c.fence)
