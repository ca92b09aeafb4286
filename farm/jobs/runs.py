"""Runs whose driver is gone: they end as interrupted, and say so."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from farm.errors import FarmError

if TYPE_CHECKING:
    from farm_results.model import Run
    from farm_results.store import Store

DIED = "its driver died"


def wanted(store: Store, run_id: str) -> bool:
    """Whether the run still wants results of jobs that were begun: not when a person interrupted it."""
    run = store.run(run_id)
    return run is None or run.state != "interrupted" or run.cause != ""


def driver_died(run: Run) -> bool:
    """Whether the run says that it goes on, and its process is no more: its own machine can tell."""
    from farm.devices.holder import of_an_earlier_boot, provably_dead

    if run.state != "running":
        return False
    return provably_dead(run.driver) or of_an_earlier_boot(run.driver, run.created_unix_s)


def close_dead(store: Store) -> tuple[str, ...]:
    """End every run whose driver provably died, as interrupted; their ids. Never raises: a store that
    cannot be written now is left as it is."""
    ended = []
    with contextlib.suppress(FarmError):
        for run in store.runs(state="running"):
            if driver_died(run):
                store.end_run(run.run_id, "interrupted", cause=DIED)
                ended.append(run.run_id)
    return tuple(ended)


def unfinished_text(store: Store, run_id: str) -> str:
    """What a run lacks, in one line; "" for one that is whole."""
    from farm.jobs import rows
    from farm_results.history import comparisons

    close_dead(store)
    run = store.run(run_id)
    if run is None or run.state == "done":
        return ""
    there, what = len(store.results(run_id)), "results"
    if not there and (made := len(comparisons.of_run(store, run_id))):
        there, what = made, "comparisons"
    count = f"{there} of {run.planned} {what}" if run.planned else f"{there} {what}"
    left = [row for row in rows.unfinished(store.engine) if row.run_id == run_id and row.state != rows.STORED]
    going = "goes on" if run.driver else "never said that it ended"
    ended = going if run.state == "running" else f"was interrupted{f' ({run.cause})' if run.cause else ''}"
    text = f"run {run_id} {ended}: {count}"
    if left and run.state != "running":
        text += f"; {len(left)} more can be brought home with `farm jobs collect`"
    return text
