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
    return run is None or run.state != "interrupted" or run.cause == DIED


def driver_died(run: Run) -> bool:
    """Whether the run says that it goes on, and its process provably is no more: its own machine can tell."""
    from farm.devices.holder import provably_dead

    return run.state == "running" and provably_dead(run.driver)


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
