"""Carry one store's memory into another; doing it twice changes nothing the second time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from farm_agent import codec
from farm_agent.errors import FarmError, UsageError
from farm_results.comparison import Comparison
from farm_results.finding import NEW, Finding
from farm_results.history.baselines import Baseline
from farm_results.model import Result, Run
from farm_results.night import RUNNING, Night
from farm_results.storage.session import added, changing, database_clock, engine_of, reading
from farm_results.transfer.cargo import BATCH, KINDS, AuditRow, Cargo, Row, StoreCargo, mentions, needs

if TYPE_CHECKING:
    from farm_results.store import Store

Told = Callable[[str, int], None]


@dataclass(frozen=True)
class Merged:
    """What a merge did, by kind. ``replaced``: results that took the place of a failure to reach a device.
    ``conflicts``: rows of the same name that differ; the store's own stayed. ``left_out``: rows whose files
    the source has lost, and why. ``moved``: series whose baseline somebody set later in the source: it counts
    here, too, from now on."""

    added: Mapping[str, int]
    already: Mapping[str, int]
    objects: int = 0
    replaced: int = 0
    conflicts: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    moved: tuple[str, ...] = ()


@dataclass
class _Tally:
    added: Counter[str] = field(default_factory=Counter)
    already: Counter[str] = field(default_factory=Counter)
    objects: int = 0
    replaced: int = 0
    conflicts: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    moved: list[str] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    runs: set[str] = field(default_factory=set)


def merge(target: Store, cargo: Cargo, *, tell: Told | None = None) -> Merged:
    """Bring everything of ``cargo`` into ``target``, files first; ``tell`` hears a kind and how many so far.

    Raises UsageError ``results.same-store``, and what a store raises. What was carried before an error stays:
    do it again to go on.
    """
    if isinstance(cargo, StoreCargo) and cargo.store.engine.url == target.engine.url:
        raise UsageError(
            f"{cargo.name} is the store itself",
            code="results.same-store",
            fix="name the other store: farm --store HERE results merge OTHER",
        )
    from farm_results.history import baselines

    tally = _Tally()
    held = baselines.currents(target)
    for kind in KINDS:
        for rows in _batches(cargo.rows(kind)):
            _PUT[kind](target, [row for row in rows if _with_files(target, cargo, row, tally)], tally)
            if tell is not None:
                tell(kind, tally.added[kind] + tally.already[kind])
    _note_moves(target, held, tally)
    values = {name: getattr(tally, name) for name in ("objects", "replaced")}
    return Merged(
        added=dict(tally.added),
        already=dict(tally.already),
        conflicts=tuple(tally.conflicts),
        left_out=(*tally.left_out, *cargo.broken),
        moved=tuple(tally.moved),
        **values,
    )


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _with_files(target: Store, cargo: Cargo, row: Row, tally: _Tally) -> bool:
    """Copy the objects of a row; False when one that it needs is lost or damaged."""
    needed = needs(row)
    if not isinstance(row, Result | Comparison):
        return True
    wanted = dict.fromkeys((*needed, *sorted(mentions([codec.dumps(row)]))))
    for sha256 in wanted:
        if sha256 in tally.seen or target.objects.claim(sha256):
            tally.seen.add(sha256)
            continue
        try:
            if cargo.has(sha256):
                cargo.copy(sha256, target.objects)
                tally.objects += 1
                tally.seen.add(sha256)
                continue
            why = "the source has lost it"
        except FarmError as error:
            if error.code not in ("store.object-corrupt", "store.object-missing"):
                raise
            why = error.message
        if sha256 in needed:
            tally.left_out.append(f"{_name_of(row)}: its file {sha256[:12]}... cannot be had: {why}")
            return False
    return True


def _name_of(row: Row) -> str:
    return row.job_id if isinstance(row, Result) else str(getattr(row, "comparison_id", ""))


def _put_runs(target: Store, rows: list[Any], tally: _Tally) -> None:
    for row in rows:
        run: Run = row
        if target.add_run(run):
            tally.added["runs"] += 1
            continue
        tally.already["runs"] += 1
        here = target.run(run.run_id)
        if here is not None and here.state == "running" != run.state:
            target.end_run(run.run_id, run.state, run.ended_unix_s, cause=run.cause)
        elif here is not None and (here.created_unix_s, here.host) != (run.created_unix_s, run.host):
            tally.conflicts.append(f"run {run.run_id}")


def _put_results(target: Store, rows: list[Any], tally: _Tally) -> None:
    from farm_results.storage.batch import insert_results

    results: list[Result] = [row for row in rows if _has_run(target, row, tally)]
    with changing(target) as connection:
        fresh = insert_results(connection, results)
    tally.added["results"] += len(fresh)
    old = {result.job_id: result for result in results if result.job_id not in fresh}
    for here in target.of_jobs(list(old)):
        tally.already["results"] += 1
        if _same(here, old[here.job_id]):
            continue
        if old[here.job_id].status == "ok" and target.add_result(old[here.job_id], late=True):
            tally.replaced += 1
        else:
            tally.conflicts.append(f"result {here.job_id}")


def _has_run(target: Store, result: Result, tally: _Tally) -> bool:
    """Whether the run of a result has arrived; one that began since the merge did comes with the next."""
    if result.run_id not in tally.runs and target.run(result.run_id) is not None:
        tally.runs.add(result.run_id)
    if result.run_id in tally.runs:
        return True
    tally.left_out.append(f"{result.job_id}: its run {result.run_id} did not come with it")
    return False


def _put_comparisons(target: Store, rows: list[Any], tally: _Tally) -> None:
    from farm_results.history import comparisons

    found: list[Comparison] = rows
    for row in found:
        new = comparisons.add(target, row, late=row.played)
        _count("comparisons", [new], tally)
        if not new and not _same(comparisons.get(target, row.comparison_id), row):
            tally.conflicts.append(f"comparison {row.comparison_id}")


def _same(here: Result | Comparison, theirs: Result | Comparison) -> bool:
    """Whether two rows of one name say the same; a NaN is no difference."""
    return here == theirs or codec.dumps(here) == codec.dumps(theirs)


def _put_nights(target: Store, rows: list[Any], tally: _Tally) -> None:
    from farm_results.history import nights

    found: list[Night] = rows
    for night in found:
        new = nights.begin(target, night)
        _count("nights", [new], tally)
        if not new and night.state != RUNNING and nights.get(target, night.night_id).state == RUNNING:
            nights.end(
                target,
                night.night_id,
                ended_unix_s=night.ended_unix_s or night.started_unix_s,
                state=night.state,
                record=night.record,
            )


def _put_findings(target: Store, rows: list[Any], tally: _Tally) -> None:
    from farm_results.history import findings

    found: list[Finding] = rows
    for finding in found:
        new = findings.add(target, finding)
        _count("findings", [new], tally)
        if new or finding.state == NEW:
            continue
        here = findings.get(target, finding.finding_id)
        if here.state == NEW:
            findings.triage(target, finding.finding_id, finding.state, "merge", finding.note)
        elif here.state != finding.state:
            tally.conflicts.append(f"finding {finding.finding_id}")


def _put_baselines(target: Store, rows: list[Any], tally: _Tally) -> None:
    from farm_results.storage.engine import insert_into
    from farm_results.storage.schema import BASELINE

    found: list[Baseline] = rows
    insert = insert_into(engine_of(target), BASELINE).on_conflict_do_nothing()
    with changing(target) as connection:
        _count("baselines", [added(connection, insert.values(**asdict(row))) for row in found], tally)


def _note_moves(target: Store, held: Mapping[str, Baseline], tally: _Tally) -> None:
    """Both histories are one now, and the newest counts: where that moved a baseline, the trail says so."""
    from sqlalchemy import select

    from farm_results.history import baselines
    from farm_results.storage.schema import AUDIT, SERIES

    now = baselines.currents(target) if tally.added["baselines"] else {}
    moved = [(old, now[name]) for name, old in sorted(held.items()) if name in now]
    moved = [(old, new) for old, new in moved if old.job_id != new.job_id]
    if not moved:
        return
    with changing(target) as connection:
        rows = connection.execute(select(SERIES.c.series, SERIES.c.device))
        devices = {row[0]: row[1] for row in rows}
        for old, new in moved:
            text = f"series {new.series}: {old.job_id} -> {new.job_id}, set later by {new.actor}"
            tally.moved.append(text)
            values = {"device": devices.get(new.series, ""), "actor": "merge", "event": "baseline merged"}
            at = {"at_unix_s": database_clock(target)}
            connection.execute(AUDIT.insert().values(**at, **values, reason=text))


def _put_audit(target: Store, rows: list[Any], tally: _Tally) -> None:
    """Rows that no equal one is there of: they have no name, and number themselves."""
    from sqlalchemy import select

    from farm_results.storage.schema import AUDIT

    found: list[AuditRow] = rows
    times = [row.at_unix_s for row in found]
    columns = (AUDIT.c.at_unix_s, AUDIT.c.device, AUDIT.c.actor, AUDIT.c.event, AUDIT.c.reason)
    query = select(*columns).where(AUDIT.c.at_unix_s.between(min(times), max(times)))
    with reading(target) as connection:
        here = {AuditRow(*row) for row in connection.execute(query)} if times else set()
    new = [row for row in found if row not in here]
    if new:
        with changing(target) as connection:
            connection.execute(AUDIT.insert(), [asdict(row) for row in new])
    _count("audit", [row not in here for row in found], tally)


def _count(kind: str, added_each: Iterable[bool], tally: _Tally) -> None:
    for is_new in added_each:
        (tally.added if is_new else tally.already)[kind] += 1


_PUT: dict[str, Callable[[Store, list[Any], _Tally], None]] = {
    "runs": _put_runs,
    "results": _put_results,
    "comparisons": _put_comparisons,
    "nights": _put_nights,
    "findings": _put_findings,
    "baselines": _put_baselines,
    "audit": _put_audit,
}
