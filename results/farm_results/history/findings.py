"""Findings in the store, and what people decide about them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.finding import ACKNOWLEDGED, NEW, STATES, Finding
from farm_results.storage.session import added, changing, database_clock, engine_of, in_parts, reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from farm_results.storage.session import Source

OPEN = (NEW, ACKNOWLEDGED)
_PLAIN = ("finding_id", "night_id", "series", "device", "model", "at_unix_s", "word", "effect", "state")


def add(source: Source, finding: Finding) -> bool:
    """Store a finding; False when its id already is here (nothing changes then)."""
    from farm_results.storage.engine import insert_into
    from farm_results.storage.schema import FINDING

    with changing(source) as connection:
        statement = insert_into(engine_of(source), FINDING).values(row_of(finding)).on_conflict_do_nothing()
        return added(connection, statement)


def triage(
    source: Source, finding_id: str, state: str, actor: str, note: str = "", *, was: str | None = None
) -> Finding:
    """Say what a finding is: acknowledged, expected, invalid, accepted, or new again; returns it.

    The audit trail gets a row in the same transaction. ``finding_id``: whole, or a unique prefix. ``was``:
    the state that it must still have. Raises UsageError ``results.unknown-finding``,
    ``results.ambiguous-finding``, ``results.finding-state``, ``dashboard.decided``.
    """
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.lookup import find_id
    from farm_results.storage.schema import AUDIT, FINDING

    if state not in STATES:
        raise UsageError(
            f"{state!r} is no state of a finding",
            code="results.finding-state",
            fix=f"one of: {', '.join(STATES)}",
        )
    whole = find_id(source, FINDING.c.finding_id, finding_id, "finding")
    with changing(source) as connection:
        query = select(FINDING.c.record).where(FINDING.c.finding_id == whole).with_for_update()
        before = codec.loads(Finding, str(connection.execute(query).scalar_one()))
        if was is not None and before.state != was:
            raise UsageError(
                f"this finding is {before.state} meanwhile, not {was}",
                code="dashboard.decided",
                fix="look at it again, and decide once more if you still want to",
            )
        after = replace(before, state=state, note=note)
        connection.execute(FINDING.update().where(FINDING.c.finding_id == whole).values(row_of(after)))
        reason = f"{whole}: {before.state} -> {state}" + (f": {note}" if note else "")
        connection.execute(
            AUDIT.insert().values(
                at_unix_s=database_clock(source),
                device=before.device,
                actor=actor,
                event="finding",
                reason=reason,
            )
        )
    return after


def get(source: Source, finding_id: str) -> Finding:
    """One finding by its id or a unique prefix of it.

    Raises UsageError ``results.unknown-finding``, ``results.ambiguous-finding``.
    """
    from farm_results.storage.lookup import find_id
    from farm_results.storage.schema import FINDING

    whole = find_id(source, FINDING.c.finding_id, finding_id, "finding")
    return _select(source, FINDING.c.finding_id == whole, limit=1)[0]


def of_series(source: Source, series: str, *, limit: int | None = None) -> list[Finding]:
    """Findings of a series, newest first."""
    from farm_results.storage.schema import FINDING

    return _select(source, FINDING.c.series == series, limit=limit)


def of_night(source: Source, night_id: str) -> list[Finding]:
    """Findings of a night, newest first."""
    from farm_results.storage.schema import FINDING

    return _select(source, FINDING.c.night_id == night_id, limit=None)


def words_of(source: Source, night_ids: Sequence[str]) -> dict[str, dict[str, int]]:
    """How many findings of each word nights have, by the night; nights without one are left out."""
    from sqlalchemy import func, select

    from farm_results.storage.schema import FINDING

    found: dict[str, dict[str, int]] = {}
    names = list(dict.fromkeys(night_ids))
    with reading(source) as connection:
        for part in in_parts(names):
            here = FINDING.c.night_id.in_(part)
            columns = (FINDING.c.night_id, FINDING.c.word)
            query = select(*columns, func.count()).where(here).group_by(*columns)
            for night_id, word, count in connection.execute(query):
                found.setdefault(night_id, {})[word] = count
    return found


def open_ones(source: Source, *, origin: str | None = None, limit: int | None = 200) -> list[Finding]:
    """What still waits for somebody: findings that are new or acknowledged, newest first."""
    return recent(source, states=OPEN, origin=origin, limit=limit)


def recent(
    source: Source,
    *,
    states: tuple[str, ...] = (),
    device: str | None = None,
    origin: str | None = None,
    limit: int | None = 50,
) -> list[Finding]:
    """The newest findings, newest first; with ``states``, only those."""
    from farm_results.storage.schema import FINDING

    terms: list[ColumnElement[bool]] = [FINDING.c.state.in_(states)] if states else []
    for name, value in {"device": device, "origin": origin}.items():
        if value is not None:
            terms.append(FINDING.c[name] == value)
    return _select(source, *terms, limit=limit)


def row_of(finding: Finding) -> dict[str, Any]:
    """One row of the table ``finding``."""
    from farm_agent import codec

    values = {name: getattr(finding, name) for name in _PLAIN}
    return values | {"origin": finding.origin, "record": codec.dumps(finding)}


def _select(source: Source, *terms: ColumnElement[bool], limit: int | None) -> list[Finding]:
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.schema import FINDING

    newest = (FINDING.c.at_unix_s.desc(), FINDING.c.finding_id.desc())
    query = select(FINDING.c.record).where(*terms).order_by(*newest).limit(limit)
    with reading(source) as connection:
        return [codec.loads(Finding, str(row[0])) for row in connection.execute(query)]
