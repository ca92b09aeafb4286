"""Open the database behind a store: SQLite by path, or any other by its URL."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.storage.faults import store_faults
from farm_results.storage.turns import Turns
from farm_results.storage.upgrade import ensure_current

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine, Table

BUSY_TIMEOUT_MS = 20_000
MAKING_S = 10.0
# Hundreds of devices share these; each needs one for some milliseconds, now and then.
POOL = {"pool_size": 10, "max_overflow": 20, "pool_timeout": 120}


@dataclass(frozen=True)
class Location:
    """Where a store lies. ``name`` is for messages and never shows a password."""

    url: str
    name: str
    folder: Path


def locate(where: str | Path) -> Location:
    """Understand a store's address: a folder (holds farm.db and objects/), a database file, or a URL.

    Raises UsageError ``store.url``.
    """
    text = str(where)
    if "://" not in text or isinstance(where, Path):
        path = Path(text).expanduser().absolute()
        is_file = path.is_file() or path.suffix in (".db", ".sqlite", ".sqlite3")
        file = path if is_file else path / "farm.db"
        return Location(_sqlite_url(file), str(file), file.parent)
    return _locate_url(text)


def _sqlite_url(file: Path) -> str:
    from sqlalchemy import URL

    return URL.create("sqlite", database=str(file)).render_as_string(hide_password=False)


def _locate_url(text: str) -> Location:
    from platformdirs import user_data_path
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _bad_url("it is not a URL that can be understood") from None
    backend = url.get_backend_name()
    if backend == "sqlite" and url.database and url.database != ":memory:":
        return locate(Path(url.database))
    if backend != "postgresql":
        raise _bad_url(f"{backend} cannot hold a store")
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")  # the one driver that comes with farm[postgres]
    whole = url.render_as_string(hide_password=False)
    return Location(whole, url.render_as_string(hide_password=True), user_data_path("farm"))


def _bad_url(why: str) -> UsageError:
    return UsageError(
        f"the store's address cannot be used: {why}",
        code="store.url",
        fix="give a folder, a .db file, or a URL that starts with sqlite:/// or postgresql://",
    )


def open_engine(where: str | Path | Location) -> Engine:
    """Open, and create or migrate when needed. Safe when several processes do it at once.

    Raises UsageError store.newer, store.foreign, store.corrupt, store.not-writable, store.url,
    store.driver; InfrastructureError store.locked, host.disk-full.
    """
    from sqlalchemy import create_engine, event

    location = where if isinstance(where, Location) else locate(where)
    with store_faults(location.name):
        location.folder.mkdir(parents=True, exist_ok=True)
        _refuse_emptied(location)
        try:
            is_server = not location.url.startswith("sqlite")
            engine = create_engine(location.url, pool_pre_ping=is_server, **POOL)
        except ModuleNotFoundError as error:
            raise UsageError(
                f"the driver of this database is missing: {error.name}",
                code="store.driver",
                fix="pip install 'edgefarm[postgres]'",
            ) from error
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _prepare_sqlite)
            turns = Turns(engine, BUSY_TIMEOUT_MS / 1000.0)
            event.listen(engine, "begin", partial(_begin_sqlite, turns))
        ensure_current(engine, location.name)
    return engine


def _refuse_emptied(location: Location) -> None:
    """A database file without a byte, beside samples: cut by a full disk or a failed copy. Taken for new, it
    would hide that everything is gone, and the next sweep would remove the samples.

    One that another process makes at this moment has no byte either, for some milliseconds.
    """
    file = Path(location.name)
    if not location.url.startswith("sqlite") or not file.is_file():
        return
    now = file.stat()
    if now.st_size or time.time() - now.st_mtime < MAKING_S:
        return
    if any(path.is_file() for path in (location.folder / "objects").glob("??/*")):
        raise UsageError(
            f"the store {location.name} is an empty file, and samples lie beside it",
            code="store.corrupt",
            fix="restore it from a backup; remove the file to begin anew",
        )


def _prepare_sqlite(connection: Any, record: object) -> None:  # noqa: ANN401, ARG001 - DBAPI
    connection.isolation_level = None  # we say BEGIN ourselves, so that DDL is in the transaction too
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA foreign_keys=ON")
    # FULL: the agent deletes a result once we acknowledge it, so a commit must survive a power cut.
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.close()


def _begin_sqlite(turns: Turns, connection: Connection) -> None:
    write = connection.get_execution_options().get("farm_write", False)
    if write:
        turns.take(connection)
    # A writer takes the lock at once: upgrading a read transaction later fails without waiting.
    connection.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def writing(engine: Engine) -> Engine:
    """The same engine for transactions that write."""
    return engine.execution_options(farm_write=True)


def insert_into(engine: Engine, table: Table) -> Any:  # noqa: ANN401 - the two dialects share no class
    """INSERT that can say ON CONFLICT, which both databases spell alike."""
    if engine.dialect.name == "sqlite":
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql

    return postgresql.insert(table)


def default_store() -> str:
    """The address when none is given: $FARM_STORE, else the user's data folder."""
    from platformdirs import user_data_path

    return os.environ.get("FARM_STORE") or str(user_data_path("farm"))
