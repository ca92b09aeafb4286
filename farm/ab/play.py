"""Drive one comparison on its device: the two are shipped, take turns under one lease, and are judged."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.ab.turns import job_of
from farm.drive import Driver, Fetched, Watcher
from farm.errors import FarmError, JobError
from farm_agent import faults
from farm_agent.wire import Event, Facts, GatePlan
from farm_results.storage.spool import AWAY

if TYPE_CHECKING:
    from farm.ab.contender import Contender
    from farm.ab.judge import Match
    from farm.jobs.spooling import Spooling
    from farm.plan import Cell
    from farm.progress import Reporter
    from farm_agent.wire import BlockPlan
    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.store import Store


@dataclass(frozen=True)
class Table:
    """Where a comparison is played. ``cell``: what progress is told of; ``safe``: where it waits while the
    store is away."""

    driver: Driver
    store: Store
    reporter: Reporter
    cell: Cell
    safe: Spooling | None = None


def play(
    table: Table,
    match: Match,
    facts: Facts,
    *,
    plan: BlockPlan | None = None,
    gate: GatePlan | None = None,
) -> tuple[Comparison, Result]:
    """Measure, judge and store; the comparison, and the candidate's half to show. Raises FarmError.

    Nothing of the job is written down for other drivers: half of a comparison is none, and one whose driver
    dies is stopped by whoever has the device next.
    """
    from farm.ab.judge import compared
    from farm.jobs.spooling import keep_comparison

    spec, shipment = job_of(
        match.match_id, match.reference, match.candidate, match.turns, plan=plan, gate=gate
    )
    for own in (match.reference, match.candidate):
        _refuse_missing(own, facts, match.device)
    done: list[tuple[Comparison, Result]] = []
    failed: list[FarmError] = []

    def keep(fetched: Fetched) -> None:
        try:
            comparison, half = compared(match, fetched, facts, table.store.objects)
        except FarmError as error:  # the device is told all the same that nobody wants it any more
            failed.append(error)
            return
        keep_comparison(table.store, table.safe, comparison, table.reporter.note)
        done.append((comparison, half))
        shutil.rmtree(table.driver.scratch / match.match_id, ignore_errors=True)

    try:
        table.driver.drive(spec, shipment, keep, _Tell(table, len(match.turns)))
    except FarmError as error:
        if not done or error.code not in AWAY:
            raise
        # It is kept; what the store could not be told is that its job on the device is over.
        table.reporter.note(f"{match.match_id}: kept, but then: {error.message}")
    if failed:
        raise failed[0]
    return done[-1]


def _refuse_missing(own: Contender, facts: Facts, device: str) -> None:
    fact = next((each for each in facts.runtimes if each.name == own.spec.runtime), None)
    if fact is None or fact.unavailable:
        raise JobError(
            f"{device} cannot run {own.label}: "
            + (fact.unavailable if fact else f"its agent knows no runtime {own.spec.runtime}"),
            code="ab.runtime",
            fix=fact.fix if fact else "",
        )


class _Tell(Watcher):
    """Turns what the loop says into progress."""

    def __init__(self, table: Table, pairs: int) -> None:
        self._table, self._pairs, self._ended = table, pairs, 0

    def stage(self, text: str) -> None:
        self._table.reporter.stage(self._table.cell, text, self._share())

    def event(self, event: Event) -> None:
        if event.kind == "block":
            self._ended += 1
            self.stage(f"pair {(self._ended + 1) // 2} of {self._pairs} measured")
        elif event.kind == "gate":
            self.stage(faults.shorten(str(event.data.get("text", "")), 160))

    def _share(self) -> float:
        return min(1.0, (self._ended + 0.5) / (2 * self._pairs + 2))
