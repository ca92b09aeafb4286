"""Judge and store what drivers that are gone left on devices, under the runs that it belongs to."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError
from farm.jobs import rows, runs
from farm.jobs.judge import judged, lost_records

if TYPE_CHECKING:
    from farm.fetch import Fetched
    from farm.jobs.context import JobContext
    from farm.jobs.rows import JobRow
    from farm_results.model import Result
    from farm_results.store import Store


@dataclass(frozen=True)
class StoreKeeper:
    """Keeps in ``store``; ``tell`` hears a line for every job that came to its end."""

    store: Store
    scratch: Path
    cache_dir: Path
    tell: Callable[[str], None]

    def wanted(self, row: JobRow) -> bool:
        """False when a person interrupted the run; a run whose driver died still wants its results."""
        return runs.wanted(self.store, row.run_id)

    def answered(self, row: JobRow) -> bool:
        """Whether the store has a result of the job, be it a failure."""
        return self.store.has_result(row.job_id)

    def keep(self, context: JobContext, fetched: Fetched) -> None:
        """Store the judged result; it takes the place of a failure to reach the device, of nothing else."""
        from farm import engines

        result = judged(
            context,
            fetched,
            lost_records(context.meters),
            objects=self.store.objects,
            scratch=self.scratch,
            interrupted=not runs.wanted(self.store, context.run_id),
        )
        self.store.add_result(
            result,
            also=lambda connection: rows.done(connection, context.job_id, fetched.result_sha256),
            late=True,
        )
        self.tell(f"{context.device}: brought {context.job_id} home ({result.status}), whose driver was gone")
        try:
            engines.keep_for(context, fetched, self.cache_dir)
        except FarmError as error:  # the next build takes longer
            self.tell(f"{context.job_id}: the timing cache could not be kept: {error.message}")

    def fail(self, row: JobRow, error: FarmError) -> None:
        """Store the failure; a row that cannot be read is dropped, for there is nothing to store then."""
        try:
            context = row.context
        except FarmError as unreadable:
            rows.forget(self.store.engine, row.job_id)
            self.tell(unreadable.message)
            return
        self.store.add_result(
            failure_of(context, error), also=lambda connection: rows.ended(connection, row.job_id)
        )
        self.tell(f"{row.device}: {row.job_id}, whose driver was gone, has no result: {error.message}")

    def note(self, text: str) -> None:
        """Pass a line on."""
        self.tell(text)


def failure_of(context: JobContext, error: FarmError) -> Result:
    """The result of a job that has none."""
    from farm_results.build import failed

    return failed(**context.identity(time.time()), error=error)
