"""Who waits for a device: tickets, the highest priority first, then the oldest.

A waiter prolongs its ticket; one that does not (it died) loses its place.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import ColumnElement, and_, delete, literal, or_, select, update

from farm.devices.leases import Clock, database_clock, lock_device
from farm_results.storage.engine import insert_into, writing
from farm_results.storage.faults import store_faults
from farm_results.storage.schema import RESERVATION, WAITING

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

EXPIRY_S = 30.0
PROLONG_S = 5.0


@dataclass(frozen=True)
class Ticket:
    """A place in a device's queue. ``priority``: higher comes first."""

    ticket: str
    device: str
    job_id: str
    holder: str
    owner: str
    priority: int
    since_unix_s: float


def join(
    engine: Engine,
    device: str,
    job_id: str,
    holder: str,
    *,
    owner: str = "",
    priority: int = 0,
    now_source: Clock = database_clock,
) -> str:
    """Queue up; the ticket to show to ``leases.take``. Raises as ``Store`` does."""
    ticket, now = secrets.token_hex(8), now_source(engine)
    row = insert_into(engine, WAITING).values(
        ticket=ticket,
        device=device,
        job_id=job_id,
        holder=holder,
        owner=owner,
        priority=priority,
        since_unix_s=now,
        expires_unix_s=now + EXPIRY_S,
    )
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        lock_device(connection, device)
        connection.execute(delete(WAITING).where(WAITING.c.expires_unix_s <= now))
        connection.execute(row)
    return ticket


def prolong(engine: Engine, ticket: str, now_source: Clock = database_clock) -> bool:
    """Keep the place; False when the ticket is gone (nobody prolonged it in time and it was cleared)."""
    change = update(WAITING).where(WAITING.c.ticket == ticket)
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        done = connection.execute(change.values(expires_unix_s=now_source(engine) + EXPIRY_S))
        return done.rowcount == 1


def leave(engine: Engine, ticket: str) -> None:
    """Give the place up. Raises as ``Store`` does."""
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        left(connection, ticket)


def left(connection: Connection, ticket: str) -> None:
    """As ``leave``, inside a transaction."""
    if ticket:
        connection.execute(delete(WAITING).where(WAITING.c.ticket == ticket))


def queue(engine: Engine, device: str, now_source: Clock = database_clock) -> tuple[Ticket, ...]:
    """Who waits for the device now, the next one first; without waiters that died on this machine."""
    from farm.devices.holder import provably_dead

    order = (WAITING.c.priority.desc(), WAITING.c.since_unix_s, WAITING.c.ticket)
    columns = [WAITING.c[name] for name in Ticket.__dataclass_fields__]
    query = select(*columns).where(WAITING.c.device == device, WAITING.c.expires_unix_s > now_source(engine))
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        found = [Ticket(*row) for row in connection.execute(query.order_by(*order))]
    return tuple(ticket for ticket in found if not provably_dead(ticket.holder))


def barred(
    connection: Connection,
    device: str,
    now: ColumnElement[float],
    *,
    owner: str,
    priority: int,
    ticket: str,
) -> bool:
    """Whether a reservation, or somebody who waits, comes before this taker. Under the device's lock."""
    current = connection.execute(
        select(RESERVATION.c.owner).where(RESERVATION.c.device == device, reserved_at(now))
    ).scalar()
    if current is not None and current != owner:
        return True
    return _somebody_better(connection, device, now, reserved_for=current, priority=priority, ticket=ticket)


def reserved_at(now: ColumnElement[float]) -> ColumnElement[bool]:
    """The condition that a reservation is in force."""
    return or_(RESERVATION.c.until_unix_s.is_(None), RESERVATION.c.until_unix_s > now)


def _somebody_better(
    connection: Connection,
    device: str,
    now: ColumnElement[float],
    *,
    reserved_for: str | None,
    priority: int,
    ticket: str,
) -> bool:
    from farm.devices.holder import provably_dead

    mine = connection.execute(select(WAITING.c.since_unix_s).where(WAITING.c.ticket == ticket)).scalar()
    first: ColumnElement[bool]
    if mine is None:
        first = WAITING.c.priority >= priority
    else:
        earlier = or_(
            WAITING.c.since_unix_s < mine, and_(WAITING.c.since_unix_s == mine, WAITING.c.ticket < ticket)
        )
        first = or_(WAITING.c.priority > priority, and_(WAITING.c.priority == literal(priority), earlier))
    query = select(WAITING.c.holder).where(
        WAITING.c.device == device, WAITING.c.expires_unix_s > now, WAITING.c.ticket != ticket, first
    )
    if reserved_for is not None:  # whoever else waits cannot have the device before
        query = query.where(WAITING.c.owner == reserved_for)
    return any(not provably_dead(str(row[0])) for row in connection.execute(query))
