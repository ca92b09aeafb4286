"""The newest points of many series at once, by the few columns that tell how far a number moves by itself."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, NamedTuple

from farm_results.point import usable
from farm_results.storage.session import in_parts, reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, FromClause

    from farm_results.storage.session import Source

_BY_TIME = itemgetter(1, 2)


class PastPoint(NamedTuple):
    """What ``Point`` says of a stored result, without what nobody counts noise by, and its series."""

    series: str
    created_unix_s: float
    job_id: str
    status: str
    verdict: str
    value: float | None
    segment: str
    model_sha256: str
    artifact_sha256: str
    runtime_version: str
    energy_j: float | None = None
    peak_memory_bytes: int | None = None
    accuracy: float | None = None

    @property
    def usable(self) -> bool:
        """As ``Point.usable``."""
        return usable(self.status, self.verdict, self.value)


def newest_of(source: Source, series: Sequence[str], limit: int) -> dict[str, list[PastPoint]]:
    """The newest ``limit`` points of each of these series, oldest first; series without any are left out.
    Raises as ``Store`` does."""
    from sqlalchemy import and_, select

    from farm_results.storage.schema import RESULT, SERIES

    names = list(dict.fromkeys(series))
    since = nth_newest(RESULT.alias(), SERIES.c.series, limit)
    both = SERIES.join(RESULT, and_(RESULT.c.series == SERIES.c.series, RESULT.c.created_unix_s >= since))
    query = select(*(RESULT.c[name] for name in PastPoint._fields)).select_from(both)
    found: dict[str, list[PastPoint]] = {}
    with reading(source) as connection:
        for part in in_parts(names):
            rows = connection.execute(query.where(SERIES.c.series.in_(part))).all()
            for point in map(PastPoint._make, rows):
                found.setdefault(point.series, []).append(point)
    # Those of the same moment as the last one came along, too.
    return {one: sorted(points, key=_BY_TIME)[-limit:] for one, points in found.items()}


def nth_newest(
    table: FromClause, series: ColumnElement[str], count: int, *terms: ColumnElement[bool]
) -> ColumnElement[float]:
    """When the ``count``-th newest row of a series in ``table`` (an alias of its own) was made: a part of a
    query over many series, before all time where there are fewer. An index tells it at once; to rank would be
    to read all that each series ever had."""
    from sqlalchemy import func, select

    when = table.c.created_unix_s
    newest = select(when).where(table.c.series == series, *terms).order_by(when.desc())
    return func.coalesce(newest.limit(1).offset(count - 1).scalar_subquery(), -sys.float_info.max)
