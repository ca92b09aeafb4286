"""Results by the million: run by run, so that never more than one run of them is in memory."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

from farm_results.storage.narrow import conditions
from farm_results.storage.session import reading

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.store import Store


class Many:
    """Every result that matches, in the order of ``Store.results``. ``wanted``: device, model, runtime,
    status. Reading raises as ``Store`` does."""

    def __init__(self, store: Store, **wanted: str | None) -> None:
        self._store = store
        self._wanted = wanted

    def __iter__(self) -> Iterator[list[Result]]:
        """A run's results at a time, the oldest run first."""
        for run_id in self._runs():
            if found := self._store.results(run_id, limit=None, last=False, **self._wanted):
                yield found

    def metrics(self) -> list[str]:
        """Every metric that some of them has, sorted: a table's header must know before the first row."""
        from sqlalchemy import select

        from farm_results.storage.schema import RESULT

        found: set[str] = set()
        for run_id in self._runs():
            query = select(RESULT.c.record).where(*conditions({**self._wanted, "run_id": run_id}))
            with reading(self._store) as connection:
                for row in connection.execute(query):
                    found.update(map(str, json.loads(row[0]).get("metrics", ())))
        return sorted(found)

    def _runs(self) -> list[str]:
        from sqlalchemy import select

        from farm_results.storage.schema import RESULT, RUN

        query = select(RUN.c.run_id).order_by(RUN.c.created_unix_s, RUN.c.run_id)
        terms = conditions(self._wanted)
        if terms:
            query = query.where(RUN.c.run_id.in_(select(RESULT.c.run_id).where(*terms)))
        with reading(self._store) as connection:
            return [str(row[0]) for row in connection.execute(query)]
