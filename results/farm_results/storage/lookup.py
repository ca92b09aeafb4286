"""Find one id among many by what a person typed."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.storage.session import reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from farm_results.storage.session import Source

MANY = 100
_NEAR = 200
_LONGEST = 200
_WHERE = {
    "run": ("farm results runs", "farm bench"),
    "job": ("farm results list", "farm bench"),
    "night": ("farm nightly status", "farm nightly run"),
    "finding": ("farm nightly status", "farm nightly run"),
    "comparison": ("farm compare --help", "farm bench --ab"),
}
"""What lists the ids of a kind, and what makes the first."""
_HASHED = ("finding", "comparison")
"""Ids that do not begin with a date: of these the greatest is not the newest, and no help."""


def find_id(source: Source, column: ColumnElement[Any], typed: str, what: str) -> str:
    """The one id in ``column`` that is ``typed`` or starts with it; reads a few rows, however many there are.

    Raises UsageError ``results.unknown-<what>`` with the nearest ids, ``results.ambiguous-<what>``.
    """
    from sqlalchemy import select

    with reading(source) as connection:
        if connection.execute(select(column).where(column == typed)).first():
            return typed
        query = select(column).where(starts_with(connection, column, typed)).limit(MANY)
        hits = [str(row[0]) for row in connection.execute(query)] if typed else []
        if len(hits) == 1:
            return hits[0]
        # Ids begin with a date, so the greatest are the newest; what is near is only help.
        ids = hits or [
            str(row[0]) for row in connection.execute(select(column).order_by(column.desc()).limit(_NEAR))
        ]
    return resolve(typed, ids, what)


def starts_with(connection: Connection, column: ColumnElement[Any], prefix: str) -> ColumnElement[bool]:
    """A condition that an index answers on both kinds of database, whatever PostgreSQL's collation is."""
    from sqlalchemy import Text, and_, literal, type_coerce

    from farm_results.storage.schema import escape

    plain, low = type_coerce(column, Text), escape(prefix)
    high = low + "\U0010ffff"
    if connection.dialect.name == "sqlite":
        return and_(plain >= low, plain <= high)
    return and_(plain.op("~>=~")(literal(low)), plain.op("~<=~")(literal(high)))


def resolve(typed: str, ids: Sequence[str], what: str) -> str:
    """The one id that is ``typed`` or starts with it. ``what`` is "run" or "job", for messages and codes.

    Raises UsageError ``results.unknown-<what>`` with the nearest ids, ``results.ambiguous-<what>``.
    """
    if typed in ids:
        return typed
    hits = [one for one in ids if typed and one.startswith(typed)]
    if len(hits) == 1:
        return hits[0]
    shown = typed if len(typed) <= _LONGEST else f"{typed[:_LONGEST]}..."
    if hits:
        some = f"{len(hits)}" if len(hits) < MANY else f"{MANY} or more"
        raise UsageError(
            f"{some} {what}s start with {shown!r}",
            code=f"results.ambiguous-{what}",
            fix=f"write more of the id: {', '.join(hits[:3])}",
        )
    near = difflib.get_close_matches(shown, ids, n=2, cutoff=0.5)
    if not near and what not in _HASHED:
        near = list(ids[:1])
    lists, makes = _WHERE.get(what, _WHERE["job"])
    asked = f"did you mean {' or '.join(near)}? ({lists})" if near else lists
    raise UsageError(
        f"no {what} is called {shown!r}" if ids else f"the store holds no {what} yet",
        code=f"results.unknown-{what}",
        fix=asked if ids else makes,
    )
