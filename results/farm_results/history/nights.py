"""Nights in the store: each is begun, written on while it goes, and ended."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.night import DONE, Night
from farm_results.storage.session import added, changing, engine_of, reading

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farm_results.storage.session import Source

_PLAIN = ("night_id", "started_unix_s", "ended_unix_s", "state", "origin")
_MOST_WORDS, _LONGEST_WORD = 12, 40
AHEAD_S = 300.0
"""So far clocks of two machines may differ."""


@dataclass(frozen=True)
class Head:
    """A night without its record. ``states``, ``outcomes``: how many of its cells were what."""

    night_id: str
    started_unix_s: float
    ended_unix_s: float | None
    state: str
    origin: str
    states: Mapping[str, int] = field(default_factory=dict)
    outcomes: Mapping[str, int] = field(default_factory=dict)


def begin(source: Source, night: Night) -> bool:
    """Store a night; False when its id already is here (nothing changes then)."""
    from farm_results.storage.engine import insert_into
    from farm_results.storage.schema import NIGHT

    with changing(source) as connection:
        statement = insert_into(engine_of(source), NIGHT).values(row_of(night)).on_conflict_do_nothing()
        return added(connection, statement)


def put(source: Source, night: Night) -> None:
    """Replace all of a night, for the one who drives it: nothing is read. Raises UsageError
    ``results.unknown-night``."""
    from farm_results.storage.schema import NIGHT

    values = row_of(night)
    with changing(source) as connection:
        statement = NIGHT.update().where(NIGHT.c.night_id == night.night_id).values(values)
        if not added(connection, statement):
            raise _unknown(night.night_id)


def end(
    source: Source,
    night_id: str,
    *,
    ended_unix_s: float,
    state: str = DONE,
    record: Mapping[str, Any] | None = None,
) -> Night:
    """End a night; returns it. Raises UsageError ``results.unknown-night``."""
    with changing(source) as connection:
        night = _of_id(connection, night_id)
        kept = night.record if record is None else record
        return _put(connection, replace(night, state=state, ended_unix_s=ended_unix_s, record=kept))


def get(source: Source, night_id: str) -> Night:
    """One night by its id or a unique prefix. Raises UsageError ``results.unknown-night``, ``ambiguous-``."""
    from farm_results.storage.lookup import find_id
    from farm_results.storage.schema import NIGHT

    whole = find_id(source, NIGHT.c.night_id, night_id, "night")
    with reading(source) as connection:
        return _of_id(connection, whole)


def recent(
    source: Source, *, state: str | None = None, origin: str | None = None, limit: int | None = 30
) -> list[Night]:
    """The newest nights, newest first."""
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.schema import NIGHT

    query = select(NIGHT.c.record).order_by(NIGHT.c.started_unix_s.desc(), NIGHT.c.night_id.desc())
    if state is not None:
        query = query.where(NIGHT.c.state == state)
    if origin is not None:
        query = query.where(NIGHT.c.origin == origin)
    with reading(source) as connection:
        return [codec.loads(Night, str(row[0])) for row in connection.execute(query.limit(limit))]


def newest(source: Source, now_unix_s: float, *, origin: str | None = None) -> Head | None:
    """The last night; one that a clock set back since put into the future only where there is no other."""
    for until_unix_s in (now_unix_s + AHEAD_S, None):
        for head in heads(source, origin=origin, until_unix_s=until_unix_s, limit=1):
            return head
    return None


def heads(
    source: Source,
    *,
    state: str | None = None,
    origin: str | None = None,
    until_unix_s: float | None = None,
    limit: int | None = 30,
) -> list[Head]:
    """The newest nights without their records, newest first: cheap, however much each measured."""
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.schema import NIGHT

    columns = [NIGHT.c[name] for name in (*_PLAIN, "brief")]
    query = select(*columns).order_by(NIGHT.c.started_unix_s.desc(), NIGHT.c.night_id.desc())
    if state is not None:
        query = query.where(NIGHT.c.state == state)
    if origin is not None:
        query = query.where(NIGHT.c.origin == origin)
    if until_unix_s is not None:
        query = query.where(NIGHT.c.started_unix_s <= until_unix_s)
    with reading(source) as connection:
        rows = connection.execute(query.limit(limit)).all()
        return [
            codec.decode(Head, dict(zip(_PLAIN, row, strict=False)) | json.loads(row[-1])) for row in rows
        ]


def row_of(night: Night) -> dict[str, Any]:
    """One row of the table ``night``."""
    from farm_agent import codec

    values = {name: getattr(night, name) for name in _PLAIN}
    return values | {"brief": brief_of(night.record), "record": codec.dumps(night)}


def brief_of(record: Mapping[str, Any]) -> str:
    """The column ``brief``: what most of a record's cells were, where it has any that we understand."""
    found = record.get("cells")
    cells = [cell for cell in found if isinstance(cell, Mapping)] if isinstance(found, list) else []

    def counted(name: str) -> dict[str, int]:
        words = Counter(str(cell.get(name) or "")[:_LONGEST_WORD] for cell in cells)
        del words[""]
        return dict(words.most_common(_MOST_WORDS))

    return json.dumps({"states": counted("state"), "outcomes": counted("outcome")})


def _of_id(connection: Connection, night_id: str) -> Night:
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.schema import NIGHT

    # FOR UPDATE: a writer between our reading and our writing would be lost (SQLite has one writer anyway).
    query = select(NIGHT.c.record).where(NIGHT.c.night_id == night_id).with_for_update()
    text = connection.execute(query).scalar()
    if text is None:
        raise _unknown(night_id)
    return codec.loads(Night, str(text))


def _unknown(night_id: str) -> UsageError:
    return UsageError(f"no night is called {night_id}", code="results.unknown-night")


def _put(connection: Connection, night: Night) -> Night:
    from farm_results.storage.schema import NIGHT

    connection.execute(NIGHT.update().where(NIGHT.c.night_id == night.night_id).values(row_of(night)))
    return night
