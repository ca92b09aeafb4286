"""Read series and their points from the store; the rows stay small, no record or document is touched."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, NamedTuple

from farm_results.point import Point
from farm_results.series import SeriesKey
from farm_results.storage.session import reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Select

    from farm_results.storage.session import Source


@dataclass(frozen=True)
class SeriesRow:
    """One series: its key, what its number is called, and its newest results ("" and 0 without an ok one)."""

    series: str
    key: SeriesKey
    metric: str
    first_unix_s: float
    last_unix_s: float
    last_job_id: str
    last_ok_unix_s: float
    last_ok_job_id: str

    @property
    def origin(self) -> str:
        """ "" for a measured series, simulated for one that no device measured."""
        return self.key.origin


class Standing(NamedTuple):
    """What a list says of a series and its newest ok number, whose verdict is None where there is none."""

    series: str
    model: str
    device: str
    runtime: str
    precision: str
    threads: int
    scenario: str
    metric: str
    origin: str
    first_unix_s: float
    last_unix_s: float
    verdict: str | None
    value: float | None


def points(
    source: Source,
    series: str,
    *,
    since_unix_s: float | None = None,
    until_unix_s: float | None = None,
    limit: int | None = None,
) -> list[Point]:
    """The points of a series, oldest first; ``limit`` keeps the newest. Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT

    names = ["created_unix_s" if field.name == "at_unix_s" else field.name for field in fields(Point)]
    query = select(*(RESULT.c[name] for name in names)).where(RESULT.c.series == series)
    if since_unix_s is not None:
        query = query.where(RESULT.c.created_unix_s >= since_unix_s)
    if until_unix_s is not None:
        query = query.where(RESULT.c.created_unix_s <= until_unix_s)
    query = query.order_by(RESULT.c.created_unix_s.desc(), RESULT.c.job_id.desc()).limit(limit)
    with reading(source) as connection:
        rows = connection.execute(query).all()
    return [Point(*row) for row in reversed(rows)]


def series_rows(
    source: Source,
    *,
    device: str | None = None,
    model: str | None = None,
    runtime: str | None = None,
    origin: str | None = None,
    limit: int | None = None,
) -> list[SeriesRow]:
    """Series that match every filter, the one with the newest result first. Raises as ``Store`` does."""
    wanted = {"device": device, "model": model, "runtime": runtime, "origin": origin}
    query = _newest_first(_columns(), wanted, limit)
    with reading(source) as connection:
        return [_series_row(tuple(row)) for row in connection.execute(query)]


def standings(
    source: Source,
    *,
    device: str | None = None,
    model: str | None = None,
    runtime: str | None = None,
    limit: int | None = None,
) -> list[Standing]:
    """The same as a list says them: two thousand are read at once. Raises as ``Store`` does."""
    from farm_results.storage.schema import RESULT, SERIES

    columns = [(RESULT if name in ("verdict", "value") else SERIES).c[name] for name in Standing._fields]
    query = _newest_first(columns, {"device": device, "model": model, "runtime": runtime}, limit)
    query = query.outerjoin_from(SERIES, RESULT, RESULT.c.job_id == SERIES.c.last_ok_job_id)
    with reading(source) as connection:
        return list(map(Standing._make, connection.execute(query)))


def _newest_first(
    columns: Sequence[ColumnElement[Any]], wanted: Mapping[str, str | None], limit: int | None
) -> Select[Any]:
    from sqlalchemy import select

    from farm_results.storage.schema import SERIES

    query = select(*columns).order_by(SERIES.c.last_unix_s.desc(), SERIES.c.series).limit(limit)
    for name, value in wanted.items():
        if value is not None:
            query = query.where(SERIES.c[name] == value)
    return query


def series_row(source: Source, series: str) -> SeriesRow | None:
    """One series by its id; None when there is none."""
    from sqlalchemy import select

    from farm_results.storage.schema import SERIES

    with reading(source) as connection:
        row = connection.execute(select(*_columns()).where(SERIES.c.series == series)).first()
        return None if row is None else _series_row(tuple(row))


_KEY = [field.name for field in fields(SeriesKey)]


def _columns() -> list[ColumnElement[Any]]:
    """Those of a key, in its order, then the others in that of ``SeriesRow``."""
    from farm_results.storage.schema import SERIES

    return [SERIES.c[name] for name in (*_KEY, *(f.name for f in fields(SeriesRow) if f.name != "key"))]


def _series_row(row: tuple[Any, ...]) -> SeriesRow:
    end = len(_KEY)
    key = SeriesKey(*(*row[: end - 1], options_of_row(row[end - 1])))
    return SeriesRow(*(row[end], key, *row[end + 1 :]))


def options_of_row(text: str) -> Mapping[str, str]:
    """The column ``options`` of a series. Raises DecodeError or JSONDecodeError where it is not our own text;
    ``reading`` turns them into ``store.corrupt``."""
    from farm_agent.codec import DecodeError

    options = {} if text == "{}" else json.loads(text)
    if not isinstance(options, dict):
        raise DecodeError("series.options", "an object", type(options).__name__)
    return options
