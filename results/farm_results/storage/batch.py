"""Many results in one transaction: for what comes from another store, where a commit for each takes hours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm_results.history.standing import note_results
from farm_results.model import Result
from farm_results.storage.columns import columns_of, pack_document
from farm_results.storage.schema import DOCUMENT, RESULT

if TYPE_CHECKING:
    from sqlalchemy import Connection


def insert_results(connection: Connection, results: Sequence[Result]) -> set[str]:
    """Add results whose job is not here yet; the jobs that were added. Their runs must be in the store, and
    their sample files in its objects."""
    from farm_results.storage.engine import insert_into

    # Always in the same order, so that two writers never wait for each other.
    unique = {result.job_id: result for result in results}
    wanted = [unique[job] for job in sorted(unique)]
    if not wanted:
        return set()
    insert = insert_into(connection.engine, RESULT).on_conflict_do_nothing().returning(RESULT.c.job_id)
    rows = {result.job_id: columns_of(result) for result in wanted}
    added = {str(row[0]) for row in connection.execute(insert, list(rows.values()))}
    fresh = [result for result in wanted if result.job_id in added]
    if fresh:
        documents = [
            {"job_id": result.job_id, "packed": pack_document(result, rows[result.job_id]["record"])}
            for result in fresh
        ]
        connection.execute(DOCUMENT.insert(), documents)
        note_results(connection, fresh)
    return added
