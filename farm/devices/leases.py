"""Who may use a device: one row each, taken by one conditional statement, by the database's clock alone.

The fence of a device grows with every take and never shrinks. It travels with the job; an agent that has
seen a higher one refuses a lower one, so a driver that was thought dead cannot come back.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, Float, case, cast, func, literal, literal_column, select, update

from farm_results.engine import insert_into, writing
from farm_results.faults import store_faults
from farm_results.schema import LEASE, LEASED_JOB

if TYPE_CHECKING:
    from sqlalchemy import Engine

EXPIRY_S = 90.0
BEAT_S = 15.0

Clock = Callable[["Engine"], ColumnElement[float]]


@dataclass(frozen=True)
class Lease:
    """A device held for a job. ``serial`` counts the takes of the device and identifies this one;
    ``fence`` is the number the agent is shown. ``holder`` is text for people."""

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


def take(
    engine: Engine, device: str, job_id: str, holder: str, now_source: Clock = database_clock
) -> Lease | None:
    """Hold ``device`` for ``EXPIRY_S``; None while another lease on it lives. Never waits for it.

    Raises as ``Store`` does when the database cannot be used.
    """
    now = now_source(engine)
    values = {"device": device, "serial": 1, "fence": 1, "job_id": job_id, "holder": holder}
    first = insert_into(engine, LEASE).values(**values, expires_unix_s=now + EXPIRY_S)
    statement = first.on_conflict_do_update(
        index_elements=[LEASE.c.device],
        set_={
            "serial": LEASE.c.serial + 1,
            "fence": LEASE.c.fence + 1,
            "job_id": first.excluded.job_id,
            "holder": first.excluded.holder,
            "expires_unix_s": first.excluded.expires_unix_s,
        },
        where=LEASE.c.expires_unix_s <= now,
    ).returning(LEASE.c.fence, LEASE.c.serial)
    job = insert_into(engine, LEASED_JOB).values(device=device, job_id=job_id).on_conflict_do_nothing()
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        row = connection.execute(statement).first()
        if row is None:
            return None
        connection.execute(job)
        return Lease(device, int(row[0]), int(row[1]), job_id, holder)


def beat(engine: Engine, lease: Lease, now_source: Clock = database_clock) -> bool:
    """Prolong a lease; False when another holder took the device over, or the lease was released.

    A lease that ran out but that nobody took is still ours.
    """
    return _change(engine, lease, expires_unix_s=now_source(engine) + EXPIRY_S) is not None


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
    statement = (
        update(LEASE)
        .where(LEASE.c.device == lease.device, LEASE.c.serial == lease.serial, LEASE.c.expires_unix_s > 0.0)
        .values(**values)
        .returning(LEASE.c.fence)
    )
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        fence = connection.execute(statement).scalar()
    return None if fence is None else int(fence)
