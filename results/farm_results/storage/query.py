"""Ask the store in SQL: one statement that reads, for as long and as many rows as was allowed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm_agent.errors import InfrastructureError, UsageError
from farm_results.storage.faults import store_faults

if TYPE_CHECKING:
    from farm_results.store import Store

LONGEST_VALUE = 64 << 20
_STEPS = 10_000


@dataclass(frozen=True)
class Answer:
    """``more``: there were more rows than allowed, and these are the first."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    more: bool = False


def ask(store: Store, sql: str, *, limit: int = 1000, timeout_s: float = 30.0) -> Answer:
    """The rows that one SELECT (or WITH, or VALUES) gives. It cannot change anything.

    Raises UsageError ``results.bad-query``, InfrastructureError ``results.query-timeout``, and what a store
    raises.
    """
    statement = sql.strip().rstrip(";").strip()
    if not statement or statement.split(None, 1)[0].lower().split("(")[0] not in ("select", "with", "values"):
        raise _bad("only SELECT, WITH and VALUES can be asked")
    # As a part of a statement of ours it can be nothing but a query, and the newline ends any comment.
    bounded = f"SELECT * FROM (\n{statement}\n) AS asked LIMIT {int(limit) + 1}"  # noqa: S608 - as asked
    run = _on_sqlite if store.engine.dialect.name == "sqlite" else _on_postgresql
    columns, rows = run(store, bounded, timeout_s)
    return Answer(columns, rows[:limit], len(rows) > limit)


def tables(store: Store) -> dict[str, tuple[str, ...]]:
    """What can be asked: every table's columns."""
    from sqlalchemy import inspect

    with store_faults(store.name):
        found = inspect(store.engine)
        return {
            name: tuple(str(column["name"]) for column in found.get_columns(name))
            for name in sorted(found.get_table_names())
            if name != "alembic_version"
        }


def _on_sqlite(store: Store, sql: str, timeout_s: float) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    import sqlite3
    from pathlib import Path

    from sqlalchemy.exc import DBAPIError

    give_up = time.monotonic() + timeout_s
    path = Path(str(store.engine.url.database)).absolute()
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=min(timeout_s, 20.0))
    try:
        connection.execute("PRAGMA query_only=ON")
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST_VALUE)
        connection.set_authorizer(_reads_only)
        connection.set_progress_handler(lambda: time.monotonic() > give_up, _STEPS)
        cursor = connection.execute(sql)
        rows = tuple(cursor.fetchall())
        return tuple(str(entry[0]) for entry in cursor.description), rows
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorname", "") == "SQLITE_INTERRUPT":
            raise _too_long(timeout_s) from error
        if getattr(error, "sqlite_errorname", "") in ("", "SQLITE_ERROR", "SQLITE_AUTH", "SQLITE_TOOBIG"):
            raise _bad(str(error)) from error
        with store_faults(store.name):
            raise DBAPIError(None, None, error) from error
    except (sqlite3.Warning, ValueError) as error:  # a second statement, a NUL
        raise _bad(str(error)) from error
    finally:
        connection.close()


def _reads_only(action: int, *_details: str | None) -> int:
    """What a statement may do: read, call functions, recurse. Not attach a file, nor a pragma."""
    import sqlite3

    may = (
        sqlite3.SQLITE_SELECT,
        sqlite3.SQLITE_READ,
        sqlite3.SQLITE_FUNCTION,
        sqlite3.SQLITE_RECURSIVE,
    )
    return sqlite3.SQLITE_OK if action in may else sqlite3.SQLITE_DENY


def _on_postgresql(store: Store, sql: str, timeout_s: float) -> tuple[tuple[str, ...], tuple[Any, ...]]:
    import psycopg
    from sqlalchemy.exc import DBAPIError

    with store_faults(store.name):
        raw = store.engine.raw_connection()
    try:
        connection: Any = raw.driver_connection
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION READ ONLY")
            cursor.execute(f"SET LOCAL statement_timeout = {max(1, int(timeout_s * 1000))}")
            # Prepared: the server then takes one statement and no more.
            cursor.execute(sql.encode("utf-8", "surrogatepass"), prepare=True)
            rows = tuple(tuple(row) for row in cursor.fetchall())
            return tuple(str(column.name) for column in cursor.description), rows
    except psycopg.errors.QueryCanceled as error:
        raise _too_long(timeout_s) from error
    except psycopg.Error as error:
        if error.sqlstate and error.sqlstate[:2] in ("08", "57", "53", "58", "XX"):
            with store_faults(store.name):
                raise DBAPIError(None, None, error) from error
        raise _bad(str(error).splitlines()[0] if str(error) else type(error).__name__) from error
    finally:
        raw.close()


def _too_long(timeout_s: float) -> InfrastructureError:
    return InfrastructureError(
        f"the query took longer than {timeout_s:g} s and was stopped",
        code="results.query-timeout",
        fix="narrow it down by series, device, model or created_unix_s, or allow more with --timeout",
    )


def _bad(why: str) -> UsageError:
    return UsageError(
        f"the query cannot be answered: {why}",
        code="results.bad-query",
        fix="`farm results query` without SQL lists the tables and their columns",
    )


def shown(rows: Sequence[Sequence[Any]]) -> list[list[str]]:
    """Values as text: NULL as nothing, bytes by their length."""
    return [[_text(value) for value in row] for row in rows]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes | memoryview):
        return f"<{len(value)} bytes>"
    return str(value)
