"""What ``farm results`` reads of a store: results, and the comparisons in turns beside them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

from farm.cli.output import say
from farm.cli.state import State

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.history.comparisons import Outcome
    from farm_results.model import Result
    from farm_results.store import Store

C = TypeVar("C", "Comparison", "Outcome")
LISTED = 200


def of_run(state: State, run: str, wanted: dict[str, Any]) -> tuple[list[Result], list[Comparison]]:
    """The results of a run, and its comparisons in turns, oldest first."""
    from farm_results.history import comparisons

    def made(store: Store) -> list[Comparison]:
        return comparisons.of_run(store, store.find_run(run))

    return _both(state, run, wanted, made)


def of_all(state: State, wanted: dict[str, Any]) -> tuple[list[Result], list[Outcome]]:
    """The newest results of all runs, and what the newest comparisons came to, oldest first."""
    from farm_results.history import comparisons

    def made(store: Store) -> list[Outcome]:
        return comparisons.outcomes(store, device=wanted["device"], limit=LISTED)

    return _both(state, None, wanted, made)


def _both(
    state: State, run: str | None, wanted: dict[str, Any], read: Callable[[Store], list[C]]
) -> tuple[list[Result], list[C]]:
    """No comparisons where filters were given that only results have."""
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        results = store.results(run, **wanted)
        narrow = any(wanted[name] is not None for name in ("model", "runtime", "status"))
        made = [] if narrow else read(store)
    finally:
        store.close()
    made = [one for one in made[::-1] if one.run_id and wanted["device"] in (None, one.device)]
    if not results and (run is None or not made):
        say("no result matches")
    return results, made


def newest(results: list[Result], count: int) -> list[Result]:
    """The newest, in the order in which they stand."""
    kept = sorted(results, key=lambda result: (-result.created_unix_s, result.job_id))[:count]
    jobs = {result.job_id for result in kept}
    return [result for result in results if result.job_id in jobs]
