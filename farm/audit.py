"""What was done to a device, by whom and why: rows that are only ever added."""

from __future__ import annotations

import getpass
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.storage.faults import store_faults
from farm_results.storage.schema import AUDIT

if TYPE_CHECKING:
    from sqlalchemy import Engine, Insert


@dataclass(frozen=True)
class Entry:
    """One row. ``actor``: user@host of a person, or the part of farm that acted by itself."""

    at_unix_s: float
    device: str
    actor: str
    event: str
    reason: str


def person() -> str:
    """Who runs this process: user@host."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a user id without a name, as in containers
        user = "unknown"
    return f"{user}@{socket.gethostname()}"


def append(engine: Engine, device: str, actor: str, event: str, reason: str) -> None:
    """Add a row, stamped by the database's clock. Raises as ``Store`` does."""
    from farm_results.storage.engine import writing

    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        connection.execute(row(engine, device, actor, event, reason))


def row(engine: Engine, device: str, actor: str, event: str, reason: str) -> Insert:
    """The statement that adds a row, for a transaction that changes something else with it."""
    from farm.devices.leases import database_clock
    from farm_results.storage.engine import insert_into

    statement: Insert = insert_into(engine, AUDIT).values(
        at_unix_s=database_clock(engine), device=device, actor=actor, event=event, reason=reason
    )
    return statement


def recent(engine: Engine, device: str | None = None, *, limit: int = 50) -> tuple[Entry, ...]:
    """The newest rows, newest first; of one device or of all. Raises as ``Store`` does."""
    from sqlalchemy import select

    columns = (AUDIT.c.at_unix_s, AUDIT.c.device, AUDIT.c.actor, AUDIT.c.event, AUDIT.c.reason)
    query = select(*columns).order_by(AUDIT.c.number.desc()).limit(limit)
    if device is not None:
        query = query.where(AUDIT.c.device == device)
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        return tuple(Entry(*row) for row in connection.execute(query))
