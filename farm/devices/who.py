"""Who has a device, who waits for it, and for whom it is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from farm.devices import holder, leases, waiting
from farm.devices.reservations import Reservation, reservation_of
from farm_results.storage.faults import store_faults
from farm_results.storage.schema import LEASE

if TYPE_CHECKING:
    from sqlalchemy import Engine


@dataclass(frozen=True)
class Usage:
    """One device now. ``holder`` and ``job_id`` are "" when it is free; ``fence`` is the highest given out.

    ``job_since_unix_s``: when its job was last heard of in the store; ``beat_s``: seconds since its driver
    last said that it lives; ``dead``: that driver provably died on this machine. ``waiting``: next one first.
    """

    device: str
    holder: str = ""
    job_id: str = ""
    fence: int = 0
    job_since_unix_s: float | None = None
    beat_s: float | None = None
    dead: bool = False
    waiting: tuple[waiting.Ticket, ...] = ()
    reservation: Reservation | None = None


def usage_of(engine: Engine, device: str) -> Usage:
    """Raises as ``Store`` does."""
    from farm.jobs import rows

    columns = (LEASE.c.fence, LEASE.c.job_id, LEASE.c.holder)
    left_s = LEASE.c.expires_unix_s - leases.database_clock(engine)
    query = select(*columns, left_s).where(LEASE.c.device == device)
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        row = connection.execute(query).first()
    found = Usage(
        device,
        fence=0 if row is None else int(row[0]),
        waiting=waiting.queue(engine, device),
        reservation=reservation_of(engine, device),
    )
    if row is None or row[3] <= 0:
        return found
    since = {job.job_id: job.changed_unix_s for job in rows.unfinished(engine, device)}
    return Usage(
        device,
        holder.shown(row[2]),
        str(row[1]),
        found.fence,
        since.get(row[1]),
        max(0.0, leases.EXPIRY_S - float(row[3])),
        holder.provably_dead(row[2]),
        found.waiting,
        found.reservation,
    )
