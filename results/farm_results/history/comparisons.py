"""Comparisons in the store: rows that are only ever added."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from farm_results.comparison import FAILED, UNPLAYED, Comparison
from farm_results.storage.session import added, changing, engine_of, in_parts, reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from farm_results.storage.session import Source


@dataclass(frozen=True)
class Ratio:
    """The candidate's time over the reference's, less one, with its interval."""

    ratio: float
    low: float
    high: float


@dataclass(frozen=True)
class Outcome:
    """What a comparison came to, by the columns alone: hundreds of them are read at once."""

    comparison_id: str
    created_unix_s: float
    kind: str
    series: str
    device: str
    run_id: str
    word: str
    pairs: int
    origin: str
    effect: Ratio | None = None


class Pair(NamedTuple):
    """Two stored results of a series, by their whole ids."""

    series: str
    reference_job: str
    candidate_job: str


SERIES_AT_ONCE = 100
"""Of whose comparisons fifty may be read each, a few kilobytes in each."""
_PLAIN = ("comparison_id", "created_unix_s", "kind", "series", "device", "run_id", "word", "pairs", "origin")


def add(source: Source, comparison: Comparison, *, late: bool = False) -> bool:
    """Store a comparison; False when its id already is here (nothing changes then). ``late``: it takes the
    place of one that failed."""
    from farm_results.storage.engine import insert_into
    from farm_results.storage.schema import COMPARISON

    values = row_of(comparison)
    with changing(source) as connection:
        insert = insert_into(engine_of(source), COMPARISON).values(values)
        if not late:
            return added(connection, insert.on_conflict_do_nothing())
        moved = {name: insert.excluded[name] for name in values if name != "comparison_id"}
        failed = COMPARISON.c.word == FAILED
        key = [COMPARISON.c.comparison_id]
        return added(connection, insert.on_conflict_do_update(index_elements=key, set_=moved, where=failed))


def row_of(comparison: Comparison) -> dict[str, Any]:
    """One row of the table ``comparison``."""
    from farm_agent import codec

    effect = comparison.effect
    return {name: getattr(comparison, name) for name in _PLAIN} | {
        "effect": None if effect is None else effect.ratio,
        "low": None if effect is None else effect.low,
        "high": None if effect is None else effect.high,
        "record": codec.dumps(comparison),
    }


def get(source: Source, comparison_id: str) -> Comparison:
    """One comparison by its id or a unique prefix of it.

    Raises UsageError ``results.unknown-comparison``, ``results.ambiguous-comparison``.
    """
    from farm_results.storage.lookup import find_id
    from farm_results.storage.schema import COMPARISON

    whole = find_id(source, COMPARISON.c.comparison_id, comparison_id, "comparison")
    return _select(source, COMPARISON.c.comparison_id == whole, limit=1)[0]


def of_series(source: Source, series: str, *, limit: int | None = None) -> list[Comparison]:
    """Comparisons of a series, newest first; none that failed: those say nothing of it."""
    from farm_results.storage.schema import COMPARISON

    return _select(source, COMPARISON.c.series == series, _played(), limit=limit)


def between(source: Source, pairs: Iterable[Pair], *, among: int) -> dict[Pair, Comparison]:
    """Of each of these pairs of results the newest comparison of exactly these two, where one is ``among``
    the newest of its series that were played. What names other jobs is not even parsed."""
    from farm_agent import codec

    wanted: dict[str, dict[tuple[str, str], Pair]] = {}
    for pair in pairs:
        wanted.setdefault(pair.series, {})[_written(pair.reference_job), _written(pair.candidate_job)] = pair
    found: dict[Pair, Comparison] = {}
    names = list(wanted)
    with reading(source) as connection:
        for part in in_parts(names, SERIES_AT_ONCE):
            for series, record in connection.execute(_newest_of(part, among)):
                for (one, other), pair in wanted[series].items():
                    if one in record and other in record and pair not in found:
                        kept = codec.loads(Comparison, record)
                        if (kept.reference.job_id, kept.candidate.job_id) == pair[1:]:
                            found[pair] = kept
    return found


def _newest_of(series: Sequence[str], among: int) -> Select[Any]:
    """The newest records of each of these series, newest first."""
    from sqlalchemy import and_, select

    from farm_results.history.pasts import nth_newest
    from farm_results.storage.schema import COMPARISON, SERIES

    every = COMPARISON.alias()
    since = nth_newest(every, SERIES.c.series, among, every.c.word.not_in(UNPLAYED))
    of_it = and_(COMPARISON.c.series == SERIES.c.series, COMPARISON.c.created_unix_s >= since, _played())
    query = select(SERIES.c.series, COMPARISON.c.record).select_from(SERIES.join(COMPARISON, of_it))
    return query.where(SERIES.c.series.in_(series)).order_by(*_newest())


def _written(job_id: str) -> str:
    """A side's job as it stands in the text of a record."""
    return f'"job_id":{json.dumps(job_id)}'


def of_run(source: Source, run_id: str) -> list[Comparison]:
    """Comparisons of a run, newest first; those that failed or were skipped, too."""
    from farm_results.storage.schema import COMPARISON

    return _select(source, COMPARISON.c.run_id == run_id, limit=None)


def recent(
    source: Source,
    *,
    kind: str | None = None,
    device: str | None = None,
    origin: str | None = None,
    since_unix_s: float | None = None,
    limit: int | None = 50,
) -> list[Comparison]:
    """The newest comparisons, newest first; none that failed. ``kind``: ab or aa."""
    from farm_results.storage.schema import COMPARISON

    wanted = {"kind": kind, "device": device, "origin": origin}
    terms = [COMPARISON.c[name] == value for name, value in wanted.items() if value is not None]
    if since_unix_s is not None:
        terms.append(COMPARISON.c.created_unix_s >= since_unix_s)
    return _select(source, *terms, _played(), limit=limit)


def outcomes(
    source: Source,
    *,
    kind: str | None = None,
    device: str | None = None,
    origin: str | None = None,
    limit: int | None = 50,
) -> list[Outcome]:
    """What the newest comparisons came to, newest first; none that failed. ``kind``: ab or aa."""
    from sqlalchemy import select

    from farm_results.storage.schema import COMPARISON

    wanted = {"kind": kind, "device": device, "origin": origin}
    query = select(*(COMPARISON.c[name] for name in (*_PLAIN, "effect", "low", "high"))).where(_played())
    for name, value in wanted.items():
        if value is not None:
            query = query.where(COMPARISON.c[name] == value)
    query = query.order_by(*_newest()).limit(limit)
    with reading(source) as connection:
        rows = connection.execute(query).all()
    end = len(_PLAIN)
    return [Outcome(*(*row[:end], None if row[end] is None else Ratio(*row[end:]))) for row in rows]


def _newest() -> tuple[ColumnElement[Any], ...]:
    from farm_results.storage.schema import COMPARISON

    return COMPARISON.c.created_unix_s.desc(), COMPARISON.c.comparison_id.desc()


def _played() -> ColumnElement[bool]:
    from farm_results.storage.schema import COMPARISON

    return COMPARISON.c.word.not_in(UNPLAYED)


def _select(source: Source, *terms: ColumnElement[bool], limit: int | None) -> list[Comparison]:
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.storage.schema import COMPARISON

    query = select(COMPARISON.c.record).where(*terms).order_by(*_newest()).limit(limit)
    with reading(source) as connection:
        return [codec.loads(Comparison, str(row[0])) for row in connection.execute(query)]
