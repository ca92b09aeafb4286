"""Results of two sides, judged together."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from farm_results.compare.chance import benjamini_hochberg
from farm_results.compare.judge import ALPHA, COUNTED, Past, row_of, settled
from farm_results.compare.metrics import OWN, Metric, metric_of
from farm_results.compare.noise import PastNumber
from farm_results.compare.pairs import Pair, pairs_along, pairs_of
from farm_results.compare.row import SECTIONS, Compared, Row
from farm_results.environment import Difference, differences
from farm_results.model import Result

Pasts = Callable[[Sequence[str]], Mapping[str, Sequence[PastNumber]]]
"""The points of many series, asked for once, oldest first in each."""


def no_past(_series: Sequence[str]) -> dict[str, Sequence[PastNumber]]:
    """Where there is no store to ask: rows then say that they have no history."""
    return {}


def compare(
    reference: Sequence[Result],
    candidate: Sequence[Result],
    *,
    names: tuple[str, str] = ("reference", "candidate"),
    metrics: Sequence[str] = (OWN,),
    by: Sequence[str] = (),
    past: Pasts = no_past,
    alpha: float = ALPHA,
) -> Compared:
    """Hold every result of the candidate against the one of the same series in the reference.

    ``by``: axes in which the sides may differ (``pairs.AXES``). ``past``: what is remembered of their series.
    ``alpha``: the share of false alarms among the rows called changed. Raises UsageError
    ``compare.metric``, ``compare.axis``.
    """
    return _judged(pairs_of(reference, candidate, by), names, metrics or (OWN,), past, alpha)


def compare_along(
    results: Sequence[Result],
    by: Sequence[str],
    *,
    name: str = "one run",
    metrics: Sequence[str] = (OWN,),
    past: Pasts = no_past,
    alpha: float = ALPHA,
) -> Compared:
    """Hold results that differ only along the axes ``by`` against the first one. Raises as ``compare``.

    What there is in one kind only has nothing to be held against: a note counts it, and it is no row.
    """
    pairs = pairs_along(results, by)
    met = [pair for pair in pairs if pair.candidate]
    found = _judged(met, (name, name), metrics or (OWN,), past, alpha)
    return with_notes(found, _of_one_kind(len(pairs) - len(met), by))


def _of_one_kind(count: int, by: Sequence[str]) -> str:
    if not count:
        return ""
    what, them = ("1 result", "it") if count == 1 else (f"{count} results", "them")
    return f"of {what} there is no other {' or '.join(by)} to hold against {them}"


def _judged(
    pairs: Sequence[Pair], names: tuple[str, str], metrics: Sequence[str], past: Pasts, alpha: float
) -> Compared:
    asked = list(dict.fromkeys(metrics))
    # Of all at once, and only where some metric asks: sizes do not, nor does what is on one side alone.
    known: Mapping[str, Sequence[PastNumber]] | None = None

    def remembered(series: str) -> Sequence[PastNumber]:
        nonlocal known
        if known is None:
            both = [pair.series for pair in pairs if pair.reference and pair.candidate]
            known = past(list(dict.fromkeys(one for two in both for one in two)))
        return known.get(series, ())

    rows = [row for pair in pairs for row in _rows(pair, asked, remembered)]
    # What is counted is certain; among the chances it would make room for false alarms of the others.
    tested = [index for index, (_, row) in enumerate(rows) if row.p is not None and row.noise != COUNTED]
    chances = [float(rows[index][1].p or 0.0) for index in tested]
    corrected = dict(zip(tested, benjamini_hochberg(chances), strict=True))
    done = [
        settled(row, metric, corrected.get(index, row.p), alpha) for index, (metric, row) in enumerate(rows)
    ]
    return Compared(*names, rows=tuple(sorted(_distinct(done), key=_order)), alpha=alpha)


def _rows(pair: Pair, asked: Sequence[str], past: Past) -> Iterator[tuple[Metric, Row]]:
    """One for each metric that a side has, and always the series' own."""
    known: dict[tuple[int, int], tuple[Difference, ...]] = {}

    def between(before: Result, after: Result) -> tuple[Difference, ...]:
        both = id(before), id(after)
        if both not in known:
            known[both] = differences(before, after)
        return known[both]

    for name in asked:
        metric = metric_of(name, pair.newest)
        row = row_of(pair, metric, past, between)
        if name == OWN or row.reference or row.candidate:
            yield metric, row


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """``own`` and ``p50`` may be one and the same."""
    return list({(row.series, row.metric, row.axis): row for row in rows}.values())


def _order(row: Row) -> tuple[object, ...]:
    size = -abs(row.effect) if row.effect is not None else 0.0
    return SECTIONS.index(row.section), size, row.key.model, row.key.device, row.key.runtime, row.series


def with_notes(compared: Compared, *notes: str) -> Compared:
    """The same with more to say beside the rows; empty notes are left out."""
    return replace(compared, notes=(*compared.notes, *(note for note in notes if note)))
