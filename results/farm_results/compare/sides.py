"""Results of two sides, judged together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from farm_results.compare.chance import benjamini_hochberg
from farm_results.compare.judge import ALPHA, COUNTED, Past, row_of, settled
from farm_results.compare.metrics import OWN, metric_of
from farm_results.compare.pairs import Pair, pairs_along, pairs_of
from farm_results.compare.row import SECTIONS, Compared, Row
from farm_results.model import Result
from farm_results.point import Point


def no_past(_series: str) -> tuple[()]:
    """Where there is no store to ask: rows then say that they have no history."""
    return ()


def compare(
    reference: Sequence[Result],
    candidate: Sequence[Result],
    *,
    names: tuple[str, str] = ("reference", "candidate"),
    metrics: Sequence[str] = (OWN,),
    by: Sequence[str] = (),
    past: Past = no_past,
    alpha: float = ALPHA,
) -> Compared:
    """Hold every result of the candidate against the one of the same series in the reference.

    ``by``: axes in which the sides may differ (``pairs.AXES``). ``past``: a series' points, oldest first.
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
    past: Past = no_past,
    alpha: float = ALPHA,
) -> Compared:
    """Hold results that differ only along the axes ``by`` against the first one. Raises as ``compare``."""
    return _judged(pairs_along(results, by), (name, name), metrics or (OWN,), past, alpha)


def _judged(
    pairs: Sequence[Pair], names: tuple[str, str], metrics: Sequence[str], past: Past, alpha: float
) -> Compared:
    asked = list(dict.fromkeys(metrics))
    # Once per series: several metrics ask for the same history.
    known: dict[str, Sequence[Point]] = {}

    def remembered(series: str) -> Sequence[Point]:
        if series not in known:
            known[series] = past(series)
        return known[series]

    rows = [(pair, name, row_of(pair, name, remembered)) for pair in pairs for name in asked]
    rows = [(pair, name, row) for pair, name, row in rows if name == OWN or row.reference or row.candidate]
    # What is counted is certain; among the chances it would make room for false alarms of the others.
    tested = [index for index, (_, _, row) in enumerate(rows) if row.p is not None and row.noise != COUNTED]
    chances = [float(rows[index][2].p or 0.0) for index in tested]
    corrected = dict(zip(tested, benjamini_hochberg(chances), strict=True))
    done = [
        settled(
            row, metric_of(name, (pair.candidate or pair.reference)[-1]), corrected.get(index, row.p), alpha
        )
        for index, (pair, name, row) in enumerate(rows)
    ]
    return Compared(*names, rows=tuple(sorted(_distinct(done), key=_order)), alpha=alpha)


def _newest(pair: Pair) -> Result:
    return (pair.candidate or pair.reference)[-1]


def _distinct(rows: Sequence[Row]) -> list[Row]:
    """``own`` and ``p50`` may be one and the same."""
    return list({(row.series, row.metric, row.axis): row for row in rows}.values())


def _order(row: Row) -> tuple[object, ...]:
    size = -abs(row.effect) if row.effect is not None else 0.0
    return SECTIONS.index(row.section), size, row.key.model, row.key.device, row.key.runtime, row.series


def with_notes(compared: Compared, *notes: str) -> Compared:
    """The same with more to say beside the rows; empty notes are left out."""
    return replace(compared, notes=(*compared.notes, *(note for note in notes if note)))
