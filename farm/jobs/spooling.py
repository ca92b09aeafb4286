"""Results of a run while its store is away: kept on this machine, stored as soon as it answers again."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import FarmError, InfrastructureError
from farm_results.storage.spool import AWAY, Spool, Spooled

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from farm.plan import Cell
    from farm.worker import Work
    from farm_results.comparison import Comparison
    from farm_results.model import Result, Run
    from farm_results.store import Store

DONE, ENDED = "done", "ended"
"""Of a note: the sha256 of the device's result that was stored; nothing more is to be waited for."""
PATIENCE_S, PAUSE_S = 60.0, 2.0


class SpooledError(InfrastructureError):
    """What was measured is safe, and not in the store: the device keeps its copy until it is."""


@dataclass(frozen=True)
class Spooling:
    """Where the results of one run go while the store is away."""

    spool: Spool
    run: Run

    @classmethod
    def of(cls, state_dir: Path, store: Store, run: Run) -> Spooling:
        """The spool of this machine for this store."""
        return cls(Spool(state_dir, store.name), run)


def keep(work: Work, cell: Cell, result: Result, note: Mapping[str, str] | None = None) -> None:
    """Store a result, and in the same transaction do what its ``note`` says; spool it where the store is
    away.

    Raises SpooledError for a spooled one that the device has a copy of: it is not to be acknowledged;
    InfrastructureError where it can be neither stored nor spooled.
    """
    note = note or {}
    try:
        work.store.add_result(result, also=also_of(result.job_id, note))
    except FarmError as error:
        if not _spooled(work, result, note, error):
            work.reporter.note(f"{cell.job_id}: the result could not be stored: {error.message}")
            raise InfrastructureError(error.message, code=error.code, fix=error.fix) from error
        work.reporter.end(cell, result)
        if DONE in note:
            raise SpooledError(error.message, code=error.code, fix=error.fix) from error
        return
    work.reporter.end(cell, result)


def keep_comparison(
    store: Store, safe: Spooling | None, comparison: Comparison, tell: Callable[[str], None]
) -> None:
    """Store a comparison, or spool it where the store is away. Raises FarmError where it can be neither."""
    from farm_results.history import comparisons

    try:
        comparisons.add(store, comparison)
    except FarmError as error:
        if error.code not in AWAY or safe is None:
            raise
        try:
            path = safe.spool.put(Spooled(safe.run, comparison=comparison))
        except FarmError as second:
            tell(f"{comparison.comparison_id}: nor could it be kept here: {second.message}")
            raise error from second
        tell(
            f"{comparison.comparison_id}: the store is away ({error.message}); the comparison waits in {path}"
        )


def _spooled(work: Work, result: Result, note: Mapping[str, str], error: FarmError) -> bool:
    if error.code not in AWAY or work.spooling is None:
        return False
    try:
        path = work.spooling.spool.put(Spooled(work.spooling.run, result, note))
    except FarmError as second:
        work.reporter.note(f"{result.job_id}: nor could it be kept here: {second.message}")
        return False
    work.reporter.note(f"{result.job_id}: the store is away ({error.message}); the result waits in {path}")
    return True


def also_of(job_id: str, note: Mapping[str, str]) -> Callable[[Connection], None] | None:
    """What a note asks of the transaction that stores its result."""
    from farm.jobs import rows

    if DONE in note:
        return lambda connection: rows.done(connection, job_id, note[DONE])
    return (lambda connection: rows.ended(connection, job_id)) if ENDED in note else None


def flush(store: Store, spool: Spool, tell: Callable[[str], None]) -> int:
    """Store what waits on this machine; how many still do."""
    done = spool.flush(store, lambda entry: also_of(entry.name, entry.note))
    if done.stored:
        count = len(done.stored)
        tell(f"stored {count} result{'s' * (count != 1)} that had waited for the store")
    for text in done.refused:
        tell(f"a result that waited for the store cannot be stored: {text}")
    return done.waiting


def drain(store: Store, spool: Spool, tell: Callable[[str], None], *, patience_s: float = PATIENCE_S) -> None:
    """Wait until everything is stored. Raises InfrastructureError ``store.spooled`` where the store stays
    away."""
    give_up = time.monotonic() + patience_s
    while waiting := flush(store, spool, tell):
        if time.monotonic() > give_up:
            raise InfrastructureError(
                f"{waiting} result{'s' * (waiting != 1)} could not be stored and wait in {spool.folder}",
                code="store.spooled",
                fix="farm jobs collect, once the store answers again",
            )
        time.sleep(min(PAUSE_S, patience_s))
