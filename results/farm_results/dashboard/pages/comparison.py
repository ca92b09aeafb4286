"""One A/B: what it says, its two sides, and its pairs in the order in which they were measured."""

from __future__ import annotations

from farm_results.comparison import Comparison, Side
from farm_results.dashboard.blocks import Block, Charted, Facts, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import to_device, to_result, to_run, to_series
from farm_results.history import comparisons
from farm_results.pages.filters import change, ns, when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import marks
from farm_results.pages.sections import compared
from farm_results.view import versus

PATHS = ("/comparisons/{comparison:whole}",)
MOST_CAVEATS = 20


def page(view: View) -> Page:
    """By its id or a unique beginning of it."""
    one = comparisons.get(view.store, view.parts["comparison"])
    blocks: list[Block] = [Links(_ways(one)), Facts("", _facts(one))]
    blocks += [Note(line, "warn") for line in versus.caveat_lines(one)[:MOST_CAVEATS]]
    blocks += [Charted(chart) for chart in compared.charts([one])]
    if one.reference.medians_ns:
        blocks.append(Charted(compared.pairs_chart(one)))
    rows = [
        (_side(name, side)) for name, side in (("reference", one.reference), ("candidate", one.candidate))
    ]
    columns = {"side": "text", "called": "text", "median": "ns5", "model": "text", "model file": "code"}
    columns |= {"artifact": "code", "runtime": "text", "processes": "count", "result": "text"}
    blocks.append(Table("sides", "The two sides", grid(columns, rows)))
    if one.environment:
        conditions = grid({"what": "text", "was": "text"}, sorted(one.environment.items()))
        blocks.append(Table("conditions", "While both were measured", conditions))
    kind = "A/A" if one.kind == "aa" else "A/B"
    title = f"{kind} of {one.candidate.model} on {one.device}"
    return Page(title, tuple(blocks), simulated=bool(one.origin), subtitle=versus.sentence(one))


def _ways(one: Comparison) -> tuple[Link, ...]:
    """Where to go from here, by name."""
    found = [to_device(one.device)]
    if one.series:
        found.append(to_series(one.series, "Trend"))
    if one.run_id:
        found.append(Link("Run", to_run(one.run_id).href))
    for name, side in (("Reference", one.reference), ("Candidate", one.candidate)):
        if side.job_id:
            found.append(to_result(side.job_id, f"{name}'s result"))
    return tuple(found)


def _facts(one: Comparison) -> tuple[tuple[str, object], ...]:
    effect = one.effect
    facts: list[tuple[str, object]] = [("Says", marks(one.word, origin=one.origin))]
    if effect is not None:
        facts.append(("Change", change(effect.ratio)))
        facts.append((f"{effect.level * 100:g} % interval", f"{change(effect.low)} to {change(effect.high)}"))
        facts.append(("The same within", f"±{effect.zone * 100:g} %"))
    facts += [
        ("Reference, median", ns(versus.p50_ns(one.reference))),
        ("Candidate, median", ns(versus.p50_ns(one.candidate))),
        ("Pairs", str(one.pairs)),
        ("When", when(one.created_unix_s)),
        ("Id", one.comparison_id),
    ]
    return tuple(facts)


def _side(name: str, side: Side) -> tuple[object, ...]:
    return (
        name,
        side.label,
        versus.p50_ns(side),
        side.model,
        side.model_sha256[:12],
        side.artifact_sha256[:12],
        f"{side.runtime} {side.runtime_version}".strip(),
        len(side.medians_ns),
        to_result(side.job_id, "result") if side.job_id else None,
    )
