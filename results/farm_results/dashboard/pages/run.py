"""One run: its verdicts, its results, where it came from, and ways on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from farm_agent.errors import UsageError
from farm_results.comparison import Comparison
from farm_results.dashboard.blocks import Block, Command, Count, Counts, Facts, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import (
    lines,
    reasons,
    results_grid,
    simulated,
    to_comparison,
    to_device,
    to_model,
    to_result,
    to_series,
    with_shares,
    words_of_run,
)
from farm_results.history import comparisons
from farm_results.pages.filters import when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import marks
from farm_results.pages.sections import compared
from farm_results.pages.sections.origin import command_of

PATHS = ("/runs/{run:whole}",)


def page(view: View) -> Page:
    """By its whole id, a unique beginning of it, or last."""
    query, store = view.query, view.store
    run_id = store.find_run(view.parts["run"])
    run = store.run(run_id)
    if run is None:
        raise UsageError(f"no run is called {run_id}", code="results.unknown-run")
    most, number = query.rows(), query.page()
    found = lines(store, run_id=run_id, limit=most + 1, offset=(number - 1) * most)
    shown = found[:most]
    in_turns = comparisons.of_run(store, run_id)[:most]
    words = words_of_run(store, run_id)
    told = words if words or not in_turns else Counter(one.word for one in in_turns)
    labels = " ".join(f"{k}={v}" for k, v in run.labels.items())
    blocks: list[Block] = [
        Counts("", tuple(Count(str(many), word, word) for word, many in told.most_common())),
        Facts(
            "",
            (
                ("Begun", when(run.created_unix_s)),
                ("Ended", when(run.ended_unix_s)),
                ("State", f"{run.state}{f': {run.cause}' if run.cause else ''}"),
                ("On", run.host),
                ("farm", run.farm_version),
                ("Labels", labels or "–"),
            ),
        ),
    ]
    if run.state != "done":
        blocks.append(
            Note(f"This run is {run.state}: {words.total()} of {run.planned or '?'} results.", "warn")
        )
    blocks.append(Command("The command", command_of(run)))
    if number == 1 and words:
        blocks.append(
            Links(
                (
                    Link("Compare with the baselines", link("/compare", a="@baseline", b=run_id)),
                    Link("Pareto", link("/pareto", run=run_id)),
                    *(
                        Link(f"as {kind}", link(f"/download/{kind}", run=run_id))
                        for kind in ("csv", "json", "md")
                    ),
                )
            )
        )
    more = query.url(page=number + 1) if len(found) > most else ""
    if shown or not in_turns:
        blocks.append(
            Table(
                "results", "Results", results_grid(with_shares(store, shown), leave_out=("when",)), more=more
            )
        )
    failed = [line for line in shown if line.status != "ok"]
    if failed:
        why = reasons(store, [line.job_id for line in failed])
        rows = [
            (
                marks(f.status, origin=f.origin),
                to_device(f.device),
                to_model(f.model),
                to_series(f.series, f.target),
                f.error_code,
                *why.get(f.job_id, ("", "")),
                to_result(f.job_id),
            )
            for f in failed
        ]
        columns = {"what": "marks", "device": "text", "model": "text", "target": "text", "code": "code"}
        columns |= {"why": "text", "what helps": "text", "result": "text"}
        blocks.append(Table("failed", "What failed or was skipped", grid(columns, rows)))
    if in_turns:
        blocks.append(comparisons_table(in_turns))
    return Page(f"Run {run_id}", tuple(blocks), simulated=simulated([*shown, *in_turns]))


def comparisons_table(found: Sequence[Comparison], *, one_series: bool = False) -> Table:
    """A/B comparisons on the device: the only ground for "slower". ``one_series``: the page says of what."""
    kinds = any(one.kind != "ab" for one in found)
    columns = {"when": "time", "says": "marks", **({"kind": "text"} if kinds else {})}
    columns |= {} if one_series else {"model": "text", "target": "text", "device": "text"}
    columns |= {"change": "change", "from": "change", "to": "change", "pairs": "count"}
    # A night calls its sides that; what a person called them tells more.
    named = any(_sides(one) != ("reference", "candidate") for one in found)
    columns |= {**({"reference": "text", "candidate": "text"} if named else {}), "": "text"}
    rows = [
        (
            one.created_unix_s,
            marks(one.word, origin=one.origin),
            *((compared.kind_of(one),) if kinds else ()),
            *(() if one_series else _what(one)),
            one.effect.ratio if one.effect else None,
            one.effect.low if one.effect else None,
            one.effect.high if one.effect else None,
            one.pairs,
            *(_sides(one) if named else ()),
            to_comparison(one.comparison_id),
        )
        for one in found
    ]
    return Table("ab", "Measured in turns on the device (A/B)", grid(columns, rows), "none")


def _sides(one: Comparison) -> tuple[str, str]:
    reference, candidate = one.reference, one.candidate
    return reference.label or reference.model, candidate.label or candidate.model


def _what(one: Comparison) -> tuple[object, object, object]:
    """Model, target and device, each with its page where it has one."""
    model, target = compared.model_of(one), compared.target_of(one)
    return (
        to_model(model) if " → " not in model else model,
        to_series(one.series, target or "trend") if one.series else target,
        to_device(one.device),
    )
