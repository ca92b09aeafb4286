"""One transaction with a store or its bare engine, its faults turned into errors that people can act on.

What is handed a connection takes part in that connection's transaction.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeAlias

from farm_results.storage.faults import store_faults

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection, Engine

    from farm_results.store import Store

    Source: TypeAlias = Store | Engine | Connection

# PostgreSQL's driver tells how many rows an INSERT added only when it is asked to.
COUNTED = {"preserve_rowcount": True}
AT_ONCE = 500
"""So many names go into one query; databases refuse tens of thousands."""


def engine_of(source: Source) -> Engine:
    """The engine of a store or a connection, or the engine itself."""
    found: Any = getattr(source, "engine", source)
    engine: Engine = found
    return engine


def name_of(source: Source) -> str:
    """What messages call it; never shows a password."""
    name: str = getattr(source, "name", "") if hasattr(source, "objects") else ""
    return name or engine_of(source).url.render_as_string()


@contextmanager
def reading(source: Source) -> Iterator[Connection]:
    """A connection for reading. Raises as ``Store`` does."""
    from sqlalchemy import Connection

    if isinstance(source, Connection):
        yield source
        return
    with store_faults(name_of(source)), engine_of(source).connect() as connection:
        yield connection


@contextmanager
def changing(source: Source) -> Iterator[Connection]:
    """A transaction that writes: all of it is committed at the end, or nothing. Raises as ``Store`` does."""
    from sqlalchemy import Connection

    from farm_results.storage.engine import writing

    if isinstance(source, Connection):  # what began it ends it
        yield source
        return
    with store_faults(name_of(source)), writing(engine_of(source)).begin() as connection:
        yield connection


def in_parts(names: Sequence[str], most: int = AT_ONCE) -> Iterator[Sequence[str]]:
    """The names, in their order, in parts that every database takes in one query."""
    for start in range(0, len(names), most):
        yield names[start : start + most]


def added(connection: Connection, statement: Any) -> bool:  # noqa: ANN401 - the two dialects share no class
    """Whether an INSERT ... ON CONFLICT added a row."""
    return int(connection.execute(statement, execution_options=COUNTED).rowcount) == 1


def database_clock(source: Source) -> ColumnElement[float]:
    """Seconds since 1970 as the database sees them, as an SQL expression."""
    from sqlalchemy import Float, cast, func, literal_column

    if engine_of(source).dialect.name == "sqlite":
        return literal_column("((julianday('now') - 2440587.5) * 86400.0)", Float)
    return cast(func.extract("epoch", func.clock_timestamp()), Float(53))
