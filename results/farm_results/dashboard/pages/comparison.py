"""One A/B on a device, pair by pair."""

from __future__ import annotations

from collections.abc import Sequence

from farm_results.comparison import Comparison, Side
from farm_results.dashboard.blocks import Block, Charted, Facts, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import to_device, to_result, to_run, to_series
from farm_results.history import comparisons
from farm_results.pages.chart import Chart
from farm_results.pages.charts import interval
from farm_results.pages.filters import change
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks
from farm_results.pages.sections import compared

PATHS = ("/comparisons/{comparison}",)


def page(view: View) -> Page:
    """By its id or a unique beginning of it."""
    one = comparisons.get(view.store, view.parts["comparison"])
    facts: list[tuple[str, object]] = [
        ("Says", marks(one.word, origin=one.origin)),
        ("Pairs", str(one.pairs)),
    ]
    if one.effect is not None:
        level = f"{one.effect.level * 100:g} %"
        interval_text = f"{change(one.effect.low)} to {change(one.effect.high)}, {level}"
        facts.append(("Change", f"{change(one.effect.ratio)} ({interval_text})"))
        facts.append(("The same up to", change(one.effect.zone)))
    facts += [("Reference", _side(one.reference)), ("Candidate", _side(one.candidate))]
    jobs = [to_result(side.job_id) for side in (one.reference, one.candidate) if side.job_id]
    ways = (
        to_device(one.device),
        *((to_series(one.series, "Trend"),) if one.series else ()),
        to_run(one.run_id),
        *jobs,
    )
    blocks: list[Block] = [Links(ways), Facts("", tuple(facts))]
    blocks += [Note(f"{caveat.evidence}: {caveat.next_step}", "warn") for caveat in one.caveats[:20]]
    blocks += [Charted(chart) for chart in compared.charts([one])]
    if one.reference.medians_ns:
        blocks += [Charted(_pairs_chart(one)), _pairs_table(one)]
    kind = "A/A" if one.kind == "aa" else "A/B"
    return Page(f"{kind} on {one.device}", tuple(blocks), simulated=bool(one.origin))


def _side(side: Side) -> str:
    words = [side.label, side.model, side.runtime, side.runtime_version, side.artifact_sha256[:12]]
    return " · ".join(dict.fromkeys(word for word in words if word))


def _ratios(one: Comparison) -> Sequence[tuple[float, float]]:
    return list(zip(one.reference.medians_ns, one.candidate.medians_ns, strict=False))


def _pairs_chart(one: Comparison) -> Chart:
    rows = [
        interval.Row(f"pair {number} {order}", after / before, origin=one.origin)
        for number, ((before, after), order) in enumerate(zip(_ratios(one), _orders(one), strict=False), 1)
        if before > 0
    ]
    return interval.chart(rows, name="pairs", title="Candidate over reference, pair by pair", ratio=True)


def _orders(one: Comparison) -> list[str]:
    return [*one.order, *[""] * (len(one.reference.medians_ns) - len(one.order))]


def _pairs_table(one: Comparison) -> Table:
    rows = [
        (number, order, before, after, after / before - 1 if before > 0 else None)
        for number, ((before, after), order) in enumerate(zip(_ratios(one), _orders(one), strict=False), 1)
    ]
    columns = {"pair": "count", "first": "text", "reference": "ns5", "candidate": "ns5", "change": "change"}
    note = "rc: the reference ran first; each number is the median of one fresh process"
    return Table("medians", "Medians of the processes", grid(columns, rows, note))
