"""Baselines: which result a series is held against. Rows are only ever added, each with a row of audit."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any

from farm_results.storage.session import changing, database_clock, reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Connection

    from farm_results.storage.session import Source

INITIAL, SET, ACCEPTED = "initial", "set", "accepted"
_STEP_S = 1e-3  # later than the row before it, also in a float of seconds since 1970


@dataclass(frozen=True)
class Baseline:
    """``event``: initial (the first night), set, or accepted (a finding). ``actor``: user@host of a person,
    or the part of farm that acted by itself."""

    baseline_id: str
    series: str
    job_id: str
    artifact_sha256: str
    at_unix_s: float
    actor: str
    event: str
    reason: str


def current(source: Source, series: str) -> Baseline | None:
    """What a series is held against now; None when it has no baseline."""
    found = history(source, series, limit=1)
    return found[0] if found else None


def history(source: Source, series: str, *, limit: int | None = None) -> list[Baseline]:
    """Every baseline that a series had, newest first."""
    with reading(source) as connection:
        return _of_series(connection, series, limit)


def currents(source: Source, series: Sequence[str] | None = None) -> dict[str, Baseline]:
    """The baselines of now by series: of these, or of all."""
    from sqlalchemy import select

    from farm_results.storage.schema import BASELINE

    query = select(*_columns()).order_by(BASELINE.c.at_unix_s, BASELINE.c.baseline_id)
    if series is not None:
        query = query.where(BASELINE.c.series.in_(list(series)))
    with reading(source) as connection:
        rows = [Baseline(*tuple(row)) for row in connection.execute(query)]
    return {row.series: row for row in rows}


def put(
    source: Source,
    *,
    series: str,
    job_id: str,
    artifact_sha256: str,
    actor: str,
    event: str = SET,
    reason: str = "",
    at_unix_s: float | None = None,
) -> Baseline:
    """Move a series' baseline to a result; returns it. Stamped by the database's clock unless ``at_unix_s``
    is given, and always later than the one before it, also where a clock stepped back.

    Nothing happens where it is that result already, by whoever came first, nor, with event "initial", where
    the series has any: the one that it has is returned.
    """
    from sqlalchemy import select

    from farm_results.storage.schema import AUDIT, BASELINE, SERIES

    with changing(source) as connection:
        _lock(connection, series)
        before = next(iter(_of_series(connection, series, 1)), None)
        if before is not None and (event == INITIAL or before.job_id == job_id):
            return before
        now = float(connection.execute(select(database_clock(source))).scalar_one())
        at = now if at_unix_s is None else at_unix_s
        if before is not None:
            at = max(at, before.at_unix_s + _STEP_S)
        row = Baseline(uuid.uuid4().hex, series, job_id, artifact_sha256, at, actor, event, reason)
        connection.execute(BASELINE.insert().values(**asdict(row)))
        text = f"series {series}: job {job_id}" + (f": {reason}" if reason else "")
        device = connection.execute(select(SERIES.c.device).where(SERIES.c.series == series)).scalar()
        connection.execute(
            AUDIT.insert().values(
                at_unix_s=now, device=device or "", actor=actor, event=f"baseline {event}", reason=text
            )
        )
        return row


def _of_series(connection: Connection, series: str, limit: int | None) -> list[Baseline]:
    from sqlalchemy import select

    from farm_results.storage.schema import BASELINE

    newest = (BASELINE.c.at_unix_s.desc(), BASELINE.c.baseline_id.desc())
    query = select(*_columns()).where(BASELINE.c.series == series).order_by(*newest).limit(limit)
    return [Baseline(*tuple(row)) for row in connection.execute(query)]


def _columns() -> list[ColumnElement[Any]]:
    from farm_results.storage.schema import BASELINE

    return [BASELINE.c[field.name] for field in fields(Baseline)]


def _lock(connection: Connection, series: str) -> None:
    """Let nobody else move this series' baseline until the transaction ends; SQLite has one writer anyway."""
    if connection.dialect.name != "sqlite":
        from sqlalchemy import text

        statement = text("SELECT pg_advisory_xact_lock(hashtextextended(:series, 0))")
        connection.execute(statement, {"series": series})
