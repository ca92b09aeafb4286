"""Comparing what a store holds: references resolved, histories read, A/B comparisons beside the rows."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm_agent.errors import UsageError
from farm_results import refs
from farm_results.compare import sides
from farm_results.compare.judge import ALPHA
from farm_results.compare.metrics import OWN
from farm_results.compare.noise import WINDOW
from farm_results.compare.pairs import partners
from farm_results.compare.row import Compared, Row
from farm_results.series import key_of, series_id

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.store import Store

NOTHING = "compare.nothing"
SHOW = ("farm", "results", "show")
MOST_ROWS, MOST_TURNS = 2000, 50
OWN_NAMES = {
    "cold-start": "cold_total",
    "sustained": "sustained_p50",
    "throughput": "throughput_best",
}
"""What a scenario is about, and so what its measurements in turns tell of; else p50."""


def compare_refs(
    store: Store,
    reference: refs.Ref,
    candidate: refs.Ref,
    *,
    metrics: Sequence[str] = (OWN,),
    by: Sequence[str] = (),
    alpha: float = ALPHA,
) -> Compared:
    """Both sides out of a store, each series with its own history. Raises UsageError as ``refs.resolve`` and
    ``sides.compare`` do, ``compare.nothing`` and ``compare.too-many``."""
    ours, theirs = results_of_both(store, reference, candidate, by)
    left = ours if by else _without(ours, theirs)
    twice = _note_of_both(len(ours) - len(left))
    found = compare_results(
        store, left, theirs, names=(reference.name, candidate.name), metrics=metrics, by=by, alpha=alpha
    )
    return sides.with_notes(found, reference.note, candidate.note, twice)


def compare_results(
    store: Store,
    reference: Sequence[Result],
    candidate: Sequence[Result],
    *,
    names: tuple[str, str] = ("reference", "candidate"),
    metrics: Sequence[str] = (OWN,),
    by: Sequence[str] = (),
    alpha: float = ALPHA,
) -> Compared:
    """``sides.compare`` with the store's histories and its A/B comparisons."""
    found = sides.compare(
        reference, candidate, names=names, metrics=metrics, by=by, past=_past(store), alpha=alpha
    )
    return replace(found, rows=_confirmed(store, found.rows))


def compare_within(
    store: Store,
    ref: refs.Ref,
    by: Sequence[str],
    *,
    metrics: Sequence[str] = (OWN,),
    alpha: float = ALPHA,
) -> Compared:
    """One side's own results along axes. Raises as ``compare_refs``."""
    results = _some(ref, refs.results_of(store, ref))
    found = sides.compare_along(results, by, name=ref.name, metrics=metrics, past=_past(store), alpha=alpha)
    return sides.with_notes(found, ref.note)


def results_of_both(
    store: Store, reference: refs.Ref, candidate: refs.Ref, by: Sequence[str] = ()
) -> tuple[list[Result], list[Result]]:
    """Both sides' results. @baseline is that of the other side's series, or of those that differ from them
    in ``by`` alone; every one when both are."""
    if reference.kind == refs.BASELINE and candidate.kind != refs.BASELINE:
        theirs = _some(candidate, refs.results_of(store, candidate))
        return _some(reference, _held_against(store, reference, theirs, by), candidate.text), theirs
    ours = _some(reference, refs.results_of(store, reference))
    if candidate.kind == refs.BASELINE and reference.kind != refs.BASELINE:
        return ours, _some(candidate, _held_against(store, candidate, ours, by), reference.text)
    return ours, _some(candidate, refs.results_of(store, candidate))


def _held_against(
    store: Store, baseline: refs.Ref, others: Sequence[Result], by: Sequence[str]
) -> list[Result]:
    if by:
        return partners(refs.results_of(store, baseline), others, by)
    return refs.results_of(store, baseline, series=_series(others))


def _without(ours: Sequence[Result], theirs: Sequence[Result]) -> list[Result]:
    """The reference without what is the candidate, too, as long as something of its series is left."""
    jobs = {result.job_id for result in theirs}
    if jobs.isdisjoint(result.job_id for result in ours):
        return list(ours)
    left = {series_id(key_of(result)) for result in ours if result.job_id not in jobs}
    return [one for one in ours if one.job_id not in jobs or series_id(key_of(one)) not in left]


def _note_of_both(gone: int) -> str:
    """Where a label names the candidate's run as well: a number held against itself would hide a change."""
    both = f"{gone} result{'s' * (gone != 1)} of both sides"
    return f"{both} count{'s' * (gone == 1)} for the candidate alone" if gone else ""


def _series(results: Sequence[Result]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(series_id(key_of(result)) for result in results))


def _some(ref: refs.Ref, results: list[Result], other: str = refs.LAST) -> list[Result]:
    """``other``: what may become the baseline that is not there."""
    if not results:
        baseline = ref.kind == refs.BASELINE
        raise UsageError(
            f"{ref.text} has no results" if not baseline else "none of these series has a baseline yet",
            code=NOTHING,
            fix=shlex.join(["farm", "baseline", "set", other] if baseline else [*SHOW, ref.text]),
        )
    if len(results) > MOST_ROWS:
        raise UsageError(
            f"{ref.text} has {len(results)} results, more than {MOST_ROWS}",
            code="compare.too-many",
            fix="name a single run, or a narrower label",
        )
    return results


def _past(store: Store) -> sides.Pasts:
    from farm_results.history.pasts import newest_of

    return lambda series: newest_of(store, series, WINDOW)


def _confirmed(store: Store, rows: Sequence[Row]) -> tuple[Row, ...]:
    """With the newest A/B on the device of exactly a row's two results, where they were measured in turns."""
    from farm_results.history import comparisons

    def pair_of(row: Row) -> comparisons.Pair | None:
        if (
            row.reference is None
            or row.candidate is None
            or row.metric != OWN_NAMES.get(row.key.scenario, "p50")
        ):
            return None
        return comparisons.Pair(row.series, row.reference.job_id, row.candidate.job_id)

    pairs = [pair_of(row) for row in rows]
    found = comparisons.between(store, [pair for pair in pairs if pair is not None], among=MOST_TURNS)
    both = zip(rows, pairs, strict=True)
    return tuple(replace(row, confirmed=found[pair]) if pair in found else row for row, pair in both)
