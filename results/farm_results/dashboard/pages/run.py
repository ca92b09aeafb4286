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
    results_grid,
    simulated,
    to_comparison,
    to_result,
    with_shares,
    words_of_run,
)
from farm_results.history import comparisons
from farm_results.pages.filters import when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import marks
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
    compared = comparisons.of_run(store, run_id)[:most]
    words = words_of_run(store, run_id)
    told = words if words or not compared else Counter(one.word for one in compared)
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
    if number == 1:
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
    if shown or not compared:
        blocks.append(
            Table(
                "results", "Results", results_grid(with_shares(store, shown), leave_out=("when",)), more=more
            )
        )
    failed = [line for line in shown if line.status != "ok"]
    if failed:
        rows = [
            (to_result(f.job_id), f.device, f.model, f.target, marks(f.status), f.error_code) for f in failed
        ]
        columns = {
            "result": "text",
            "device": "text",
            "model": "text",
            "target": "text",
            "": "marks",
            "why": "code",
        }
        blocks.append(Table("failed", "What failed or was skipped", grid(columns, rows)))
    if compared:
        blocks.append(comparisons_table(compared))
    return Page(f"Run {run_id}", tuple(blocks), simulated=simulated([*shown, *compared]))


def comparisons_table(found: Sequence[Comparison]) -> Table:
    """A/B comparisons on the device: the only ground for "slower"."""
    rows = [
        (
            one.created_unix_s,
            marks(one.word, origin=one.origin),
            one.effect.ratio if one.effect else None,
            one.effect.low if one.effect else None,
            one.effect.high if one.effect else None,
            one.pairs,
            one.device,
            one.reference.label or one.reference.model,
            one.candidate.label or one.candidate.model,
            to_comparison(one.comparison_id),
        )
        for one in found
    ]
    columns = {"when": "time", "says": "marks", "change": "change", "from": "change", "to": "change"}
    columns |= {"pairs": "count", "device": "text", "reference": "text", "candidate": "text", "": "text"}
    return Table("ab", "Measured in turns on the device (A/B)", grid(columns, rows), "none")
