"""``farm compare``: what changed between two runs, by more than noise."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_json, print_table, print_text, say, say_sentence
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaList, examples, list_option
from farm.errors import EXIT_GATE, EXIT_INCONCLUSIVE, EXIT_NOTHING, EXIT_OK, UsageError

if TYPE_CHECKING:
    from farm_results.compare.row import Compared
    from farm_results.refs import Ref
    from farm_results.store import Store

FAIL_ON = ("regression", "noise", "never")
AXES = ("device", "runtime", "precision", "threads", "batch", "model")
MOST_RUNS = 20
METRICS = (
    *("own", "p50", "p90", "p95", "p99", "load", "first", "energy", "peak_mem", "size", "accuracy"),
    "all",
)


@click.command(
    "compare",
    epilog=examples(
        "farm compare last~1 last              the two newest runs",
        "farm compare @baseline                the newest run against its baselines",
        "farm compare main HEAD --metric own,energy,peak_mem",
        "farm compare last --by runtime        one run's runtimes against each other",
        "farm compare @baseline last --md --fail-on regression",
    )
    + "\n\nExit codes: 0 compared, 1 regressed with --fail-on regression, 2 usage, 4 nothing to compare, "
    "5 not to be told with --fail-on noise.",
)
@click.argument("reference", metavar="A")
@click.argument("candidate", required=False, metavar="[B]")
@list_option(
    "--by", kind=CommaList(AXES), metavar="A,B", text=f"Let the sides differ in these: {', '.join(AXES)}."
)
@list_option(
    "--metric",
    "metrics",
    kind=CommaList(METRICS),
    metavar="A,B",
    text=f"What to compare; default own (what a scenario is about). One of: {', '.join(METRICS)}.",
)
@click.option("--all", "everything", is_flag=True, help="Show what is unchanged, too.")
@click.option("--md", "as_markdown", is_flag=True, help="Markdown, for a pull request.")
@list_option(
    "--fail-on", kind=CommaList(FAIL_ON), metavar="A,B", text="regression, noise or never (default)."
)
@json_option
@pass_state
def command(
    state: State,
    reference: str,
    candidate: str | None,
    by: tuple[str, ...],
    metrics: tuple[str, ...],
    everything: bool,
    as_markdown: bool,
    fail_on: tuple[str, ...],
) -> int:
    """Compare two runs: what changed by more than noise.

    A and B are runs: an id or its beginning, KEY=VALUE of a label, a git commit, branch or tag, @baseline,
    last, last~1, or a job. A is the reference; B is last when left out. Only what changed is shown.

    Two runs only ever show that a number is higher or lower. That something became slower says farm bench
    --ab alone, which measures both in turns.
    """
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        found = _compared(store, reference, candidate, by, _metrics(metrics))
        unfinished = _unfinished(store, found)
    finally:
        store.close()
    if state.json:
        from farm_results.compare.tables import document

        print_json(document(found))
    else:
        _show(found, everything=everything, as_markdown=as_markdown)
    for line in unfinished:
        say(line)
    return _exit_code(found, fail_on)


def _metrics(asked: tuple[str, ...]) -> tuple[str, ...]:
    return METRICS[:-1] if "all" in asked else asked or ("own",)


def _compared(
    store: Store, reference: str, candidate: str | None, by: tuple[str, ...], metrics: tuple[str, ...]
) -> Compared:
    from farm_results import refs
    from farm_results.compare import stored

    ours = refs.resolve(store, reference, measured=True)
    if candidate is None and by:
        return stored.compare_within(store, ours, by, metrics=metrics)
    theirs = refs.resolve(store, candidate or refs.LAST, measured=True)
    _refuse_itself(ours, theirs, by)
    return stored.compare_refs(store, ours, theirs, metrics=metrics, by=by)


def _refuse_itself(ours: Ref, theirs: Ref, by: tuple[str, ...]) -> None:
    if (ours.kind, ours.run_ids, ours.job_id) == (theirs.kind, theirs.run_ids, theirs.job_id) and not by:
        raise UsageError(
            f"{ours.text} and {theirs.text} are the same",
            code="compare.itself",
            fix="farm compare last~1 last, or farm compare last --by runtime",
        )


def _unfinished(store: Store, found: Compared) -> list[str]:
    """Runs that were cut short, or go on, must not look whole."""
    from farm.jobs.runs import unfinished_text

    readings = [one for row in found.rows for one in (row.reference, row.candidate) if one is not None]
    runs = list(dict.fromkeys(one.run_id for one in readings))[:MOST_RUNS]
    return [text for run_id in runs if (text := unfinished_text(store, run_id))]


def _show(found: Compared, *, everything: bool, as_markdown: bool) -> None:
    from farm_results.compare import tables, words

    if as_markdown:
        print_text(tables.markdown(found, everything=everything))
        return
    if sys.stdout.isatty():
        for number, section in enumerate(tables.shown(found, everything=everything)):
            if number:
                print_text("")
            table = tables.table_of(found.of(section), found.rows)
            align = dict(zip(table.columns, table.align, strict=True))
            print_table(table.columns, table.rows, title=words.title_of(section, found), align=align)
    else:
        flat = tables.flat_table(found, everything=everything)
        print_table(flat.columns, flat.rows)
    say(f"{found.reference} → {found.candidate}: {words.verdict_line(found)}")
    for line in words.closing_lines(found):
        say_sentence(line)


def _exit_code(found: Compared, fail_on: tuple[str, ...]) -> int:
    if not any(row.effect is not None for row in found.rows):
        return EXIT_NOTHING
    if "never" in fail_on:
        return EXIT_OK
    if "regression" in fail_on and found.of("regressed"):
        return EXIT_GATE
    if "noise" not in fail_on:
        return EXIT_OK
    from farm.gate import unsure

    return EXIT_INCONCLUSIVE if unsure((), found) else EXIT_OK
