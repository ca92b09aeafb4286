"""Bring a store to the schema of this version, under a lock, when it is opened."""

from __future__ import annotations

import fcntl
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.migrations import HEAD

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

MIGRATION_WAIT_S = 60.0
_ADVISORY_LOCK = 0x6661726D  # "farm"
LARGE = 50_000
"""Results. From so many on, people wait for a new schema long enough to wonder."""


def ensure_current(engine: Engine, where: str) -> None:
    """Migrate unless the store already is at ``HEAD`` (one cheap query).

    Raises UsageError ``store.newer`` when a later farm wrote it, ``store.foreign`` when the database
    belongs to another program.
    """
    with engine.connect() as connection:
        if _revision(connection) == HEAD:
            return
    with _exclusive(engine):
        if engine.dialect.name == "sqlite":
            _use_wal(engine)
        with engine.execution_options(farm_write=True).begin() as connection:
            _upgrade(connection, where)


def _revision(connection: Connection) -> str | None:
    """The revision the store says it has; None for an empty or a foreign database."""
    from sqlalchemy import inspect, text

    if not inspect(connection).has_table("alembic_version"):
        return None
    return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, where: str) -> None:
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory
    from sqlalchemy import inspect

    config = Config()
    folder = Path(__file__).parent / "migrations"
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    revision = _revision(connection)
    if revision is not None and revision not in known:
        raise UsageError(
            f"the store {where} was written by a newer farm (schema {revision}; this farm knows {HEAD})",
            code="store.newer",
            fix="update farm to the version that wrote it, or set FARM_STORE to another folder",
        )
    if revision is None and inspect(connection).get_table_names():
        raise UsageError(
            f"the database {where} belongs to another program",
            code="store.foreign",
            fix="name another store with FARM_STORE=DIRECTORY",
        )
    if revision is not None and _is_large(connection):
        text = "the store %s is brought to this farm's schema %s, once: about a minute for a million results"
        logging.getLogger(__name__).warning(text, where, HEAD)
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _is_large(connection: Connection) -> bool:
    from sqlalchemy import text

    query = text("SELECT job_id FROM result LIMIT 1 OFFSET :count")
    return connection.execute(query, {"count": LARGE}).first() is not None


def _use_wal(engine: Engine) -> None:
    """Readers and the writer do not block each other. The mode stays in the file, so set it once."""
    connection = engine.raw_connection()
    try:
        connection.cursor().execute("PRAGMA journal_mode=WAL")
    finally:
        connection.close()


def _wait_for(lock: IO[str], where: str | None) -> None:
    give_up = time.monotonic() + MIGRATION_WAIT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up:
                raise InfrastructureError(
                    f"another process has been preparing the store {where} for {MIGRATION_WAIT_S:.0f} s",
                    code="store.locked",
                    fix="wait for the other farm command to end, or end it",
                ) from None
            time.sleep(0.02)
        else:
            return


@contextmanager
def _exclusive(engine: Engine) -> Iterator[None]:
    """One process at a time past this point, also between machines on PostgreSQL."""
    if engine.dialect.name == "sqlite":
        with Path(f"{engine.url.database}.lock").open("a") as lock:
            _wait_for(lock, engine.url.database)
            yield
        return
    from sqlalchemy import text

    with engine.connect() as connection:
        connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _ADVISORY_LOCK})
        try:
            yield
        finally:
            connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _ADVISORY_LOCK})
