"""``farm results``: what was measured so far."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from farm.cli import results_care, results_push, results_query, results_read, results_transfer
from farm.cli.output import print_json, print_table, print_text, say
from farm.cli.results_output import LAYOUTS, show_comparisons, show_results
from farm.cli.results_read import LISTED
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.config import masked
from farm.errors import EXIT_NOTHING, EXIT_OK, UsageError

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.history.comparisons import Outcome
    from farm_results.model import Result, Run

F = TypeVar("F", bound=Callable[..., Any])

BUNDLE = "bundle"
CI = ("bmf", "gha_bench", "gitlab", "junit", "openmetrics", "otava")
EXPORTS = ("csv", "json", "md", "parquet", BUNDLE, *CI)
STATUSES = ("ok", "failed", "skipped")
COLUMNS = ("run", "when", "model", "device", "runtime", "prec", "measured", "p50", "95 % interval", "verdict")


def filters(function: F) -> F:
    """Decorator: the options that narrow down results."""
    for option in (
        click.option("--limit", type=click.IntRange(min=1), help="Only the newest N."),
        click.option("--status", type=click.Choice(STATUSES), help="Only results of this status."),
        click.option("--runtime", help="Only results of this runtime."),
        click.option("--model", help="Only results of this model, by name."),
        click.option("--device", help="Only results of this device."),
    ):
        function = option(function)
    return function


@click.group(
    "results",
    invoke_without_command=True,
    epilog=examples(
        "farm results list --device rpi4-a --status ok",
        "farm results show last",
        "farm results export last --out results.csv",
        "farm results query 'SELECT count(*) FROM result'",
    ),
)
@click.pass_context
def command(context: click.Context) -> int | None:
    """List, show, ask, export, merge and check stored results.

    Without a command: list them.
    """
    if context.invoked_subcommand is None:
        code: int = context.invoke(list_results)
        return code
    return None


@command.command(
    "list",
    epilog=examples(
        "farm results list",
        "farm results list --model digits --json",
        "farm results list --limit 5",
    ),
)
@filters
@json_option
@pass_state
def list_results(state: State, /, **wanted: Any) -> int:  # noqa: ANN401 - the options of ``filters``
    """List results, the oldest first. Exit code 4 when there are none.

    Without --limit, the newest 200 of them.
    """
    given = wanted["limit"]
    results, made = results_read.of_all(state, {**wanted, "limit": given or LISTED + 1})
    if given is None and len(results) > LISTED:
        results = results_read.newest(results, LISTED)
        say(f"the newest {LISTED} of more: --limit N for more of them, farm results export for all")
    if state.json:
        show_results(results, "json")
    else:
        right = dict.fromkeys(("p50", "95 % interval"), "right")
        print_table(COLUMNS, [_row(result) for result in results], align=right)
    _say_comparisons(made)
    return _exit_code(results)


@command.command(
    epilog=examples(
        "farm results runs",
        "farm results runs --limit 3 --json",
    )
)
@click.option("--limit", type=click.IntRange(min=1), help="Only the newest N.")
@json_option
@pass_state
def runs(state: State, limit: int | None) -> int:
    """List runs, the newest first. Exit code 4 when there are none."""
    from farm.jobs import runs as dead
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        dead.close_dead(store)
        found = store.runs(limit)
    finally:
        store.close()
    if state.json:
        from farm_agent import codec

        print_json({"schema": "farm.runs/1", "runs": codec.encode(found)})
    else:
        columns = ("run", "when", "state", "host", "command")
        print_table(columns, [_run_row(run) for run in found])
    return EXIT_OK if found else EXIT_NOTHING


@command.command(
    epilog=examples(
        "farm results show last",
        "farm results show 20261121 --status failed",
        "farm results show last --format md",
    )
)
@click.argument("run", default="last", metavar="[RUN|last]")
@filters
@click.option("--format", "layout", type=click.Choice(LAYOUTS), default="table", help="Default: table.")
@json_option
@pass_state
def show(state: State, /, run: str, layout: str, **wanted: Any) -> int:  # noqa: ANN401
    """Show one run's results with the reasons behind every verdict.

    RUN is a run's id or the beginning of it. Exit code 4 when nothing matches.
    """
    results, made = results_read.of_run(state, run, wanted)
    if results or not made:
        title = f"Run {results[0].run_id}" if results else ""
        show_results(results, "json" if state.json else layout, title=title)
        _say_comparisons(made)
    else:
        show_comparisons(made, "json" if state.json else layout)
    _say_if_unfinished(state, run)
    return _exit_code([*results, *made])


@command.command(
    epilog=(
        "\b\nExamples:\n"
        "  farm results export last --out results.csv\n"
        "  farm results export --model digits --format md\n"
        "  farm results export --out all.parquet\n"
        "  farm results export last --out junit=results.txt\n"
        "  farm results export last --format bundle --out run.zip"
    )
)
@click.argument("run", required=False, metavar="[RUN|last]")
@filters
@click.option("--format", "layout", type=click.Choice(EXPORTS), help="Default: what --out ends in, else csv.")
@click.option(
    "--out",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="[FORMAT=]FILE",
    help="Write this file.",
)
@json_option
@pass_state
def export(state: State, /, run: str | None, layout: str | None, out: Path | None, **wanted: Any) -> int:  # noqa: ANN401
    """Write results to a file or to standard output.

    As CSV, JSON, Markdown or Parquet, or for other tools: Bencher (bmf), github-action-benchmark, GitLab,
    JUnit, Prometheus, Otava. Without RUN, those of all runs. A bundle (.zip) holds the samples and
    kept artifacts too, and another farm can take it in: `farm results import FILE.zip`. Without RUN it holds
    the whole store.

    Exit code 4 when nothing matches; then nothing is written.
    """
    from farm_results import report

    layout, out = _named(layout, out)
    if BUNDLE in (layout, None if layout or out is None else _layout_of(out)):
        return _bundle(state, run, out, wanted)
    name = "json" if state.json else layout or _layout_of(out)
    if run is None and wanted["limit"] is None and report.can_stream(name):
        return results_transfer.write_all(state, name, out, wanted)
    most = results_transfer.MOST_AT_ONCE
    wanted |= {"limit": wanted["limit"] or most + 1}
    made: Sequence[Comparison | Outcome]
    if run is None:
        results, made = results_read.of_all(state, wanted)
    else:
        results, made = in_turns = results_read.of_run(state, run, wanted)
        if made and not results:
            return _export_comparisons(in_turns[1], name, out)
    if len(results) > most:
        raise UsageError(
            f"more than {most} results match, and {name} of them is made in memory",
            code="results.too-many",
            fix="name a RUN, or leave RUN and --limit out with csv, json or parquet: those take any number",
        )
    if not results:
        return EXIT_NOTHING
    _say_comparisons(made)
    if out is None:
        print_text(report.render(name, results))
    else:
        report.write(name, results, out)
        say(f"{len(results)} result{'s' * (len(results) != 1)} written to {out}")
    return EXIT_OK


def _export_comparisons(made: Sequence[Comparison], name: str, out: Path | None) -> int:
    """A run in turns, which has no results. Raises UsageError report.not-for-ab."""
    from farm_results.report import compared

    if out is None:
        print_text(compared.render(name, made))
        return EXIT_OK
    left = compared.write(name, made, out)
    more = f"; {left} left out, which say nothing" if left else ""
    say(f"{len(made)} comparison{'s' * (len(made) != 1)} written to {out}{more}")
    return EXIT_OK


def _say_comparisons(made: Sequence[Comparison | Outcome]) -> None:
    if made:
        count, run_id = len(made), made[-1].run_id
        say(f"and {count} comparison{'s' * (count != 1)} in turns, the newest: farm show {run_id}")


def _bundle(state: State, run: str | None, out: Path | None, wanted: dict[str, Any]) -> int:
    if out is None:
        raise UsageError("a bundle needs a file", code="report.needs-file", fix="add --out FILE.zip")
    chosen = [f"--{name}" for name, value in wanted.items() if value is not None]
    if chosen:
        raise UsageError(
            f"a bundle holds whole runs: {' '.join(chosen)} cannot choose from them",
            code="results.bundle-filter",
            fix="name a run, or leave it out for the whole store",
        )
    return results_transfer.write_bundle(state, run, out)


def _named(layout: str | None, out: Path | None) -> tuple[str | None, Path | None]:
    """``junit=FILE`` says the format as the --export of `farm bench` does."""
    from farm_results import report

    named, sign, file = str(out or "").partition("=")
    name = named.replace("-", "_")
    if layout is None and sign and file and name in (BUNDLE, *report.names()):
        return name, Path(file)
    return layout, out


def _layout_of(out: Path | None) -> str:
    from farm_results.report.destination import format_of

    if out is None:
        return "csv"
    return BUNDLE if out.suffix.lower() == ".zip" else format_of(out)


def _say_if_unfinished(state: State, run: str) -> None:
    """A run that was cut short, or goes on, must not look whole."""
    from farm.jobs import runs as dead
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        text = dead.unfinished_text(store, store.find_run(run))
    finally:
        store.close()
    if text:
        say(text)


def _row(result: Result) -> tuple[str, ...]:
    from farm_results import text
    from farm_results.report import rows

    latency = rows.closed_loop(result)
    return (
        result.run_id,
        _when(result.created_unix_s),
        result.model,
        result.device,
        result.runtime,
        rows.precision_text(result),
        rows.measured_text(result),
        rows.NOTHING if latency is None else text.duration(latency.p50_ns),
        rows.interval_text(latency),
        rows.verdict_text(result),
    )


def _run_row(run: Run) -> tuple[str, ...]:
    state = f"{run.state}: {run.cause}" if run.cause else run.state
    return run.run_id, _when(run.created_unix_s), state, run.host, masked(shlex.join(run.command))


def _when(unix_s: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(unix_s))


def _exit_code(found: Sequence[object]) -> int:
    return EXIT_OK if found else EXIT_NOTHING


for _part in (
    results_query.query,
    results_transfer.import_bundles,
    results_transfer.merge,
    results_care.verify,
    results_care.gc,
    results_push.push,
):
    command.add_command(_part)
