"""How a series stands: its row follows each result that is stored, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_results.model import Result
from farm_results.storage.columns import series_columns_of
from farm_results.storage.schema import SERIES

if TYPE_CHECKING:
    from sqlalchemy import Connection


def note_result(connection: Connection, result: Result) -> None:
    """Make or move on the row of the result's series; the order in which results come does not matter."""
    note_results(connection, [result])


def note_results(connection: Connection, results: Sequence[Result]) -> None:
    """Move on the rows of many results' series, each row always after the same others: no two writers wait
    for each other."""
    from sqlalchemy import and_, case

    from farm_results.storage.engine import insert_into

    rows = sorted((series_columns_of(result) for result in results), key=lambda row: str(row["series"]))
    insert = insert_into(connection.engine, SERIES)
    new = insert.excluded

    def newest(at: str, job: str) -> dict[str, Any]:
        later = and_(new[at] >= SERIES.c[at], new[at] > 0)
        return {
            job: case((later, new[job]), else_=SERIES.c[job]),
            at: case((later, new[at]), else_=SERIES.c[at]),
        }

    first = case((new.first_unix_s < SERIES.c.first_unix_s, new.first_unix_s), else_=SERIES.c.first_unix_s)
    moved = {"first_unix_s": first, **newest("last_unix_s", "last_job_id")}
    moved |= newest("last_ok_unix_s", "last_ok_job_id")
    connection.execute(insert.on_conflict_do_update(index_elements=[SERIES.c.series], set_=moved), rows)
