"""``farm report``: results as one file to read, send or print."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import print_json, print_text, say
from farm.cli.results import filters
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK, UsageError

if TYPE_CHECKING:
    from farm.report_file import Chosen


@click.command(
    "report",
    epilog=examples(
        "farm report                          the last run, as farm-report-RUN.html",
        "farm report last --html report.html --open",
        "farm report 20261121 --device rpi4-a --against last~1",
        "farm report last --md                a table for an issue or a pull request",
    ),
)
@click.argument("name", default="last", metavar="[RUN|JOB|last]")
@click.option("--html", "html_file", metavar="FILE", help="Write this file of HTML; - for standard output.")
@click.option("--md", "as_markdown", is_flag=True, help="Print Markdown instead.")
@click.option("--against", metavar="REF", default="", help="Also what differs from this run, and layers.")
@click.option("--open", "show", is_flag=True, help="Open the file in a browser.")
@filters
@json_option
@pass_state
def command(
    state: State,
    /,
    name: str,
    html_file: str | None,
    as_markdown: bool,
    against: str,
    show: bool,
    **wanted: Any,  # noqa: ANN401 - the options of ``filters``
) -> int:
    """Write a run as one HTML file with its charts and tables.

    The file loads nothing, needs no server and no network, and prints well: tables, intervals, histograms,
    timelines, what one pays for what, layers, environment, conversion and check, and the commands that repeat
    it. RUN is whatever farm compare takes: a run or job, KEY=VALUE of a label, a git commit, last, last~1.

    Exit code 4 when nothing matches; then nothing is written.
    """
    from farm import report_file
    from farm_results.store import open_store

    _refuse(as_markdown, html_file, against, show)
    store = open_store(state.config.store)
    try:
        found = report_file.chosen(store, name, wanted)
        if not found:
            say("no result matches")
            return EXIT_NOTHING
        if as_markdown:
            print_text(report_file.markdown_of(found))
            return EXIT_OK
        text = report_file.text_of(store, found, against=against)
    finally:
        store.close()
    if html_file == "-":
        print_text(text)
        return EXIT_OK
    path = Path(html_file) if html_file else report_file.usual_path(found)
    _write(state, text, path, found)
    if show:
        _open(path)
    return EXIT_OK


def _refuse(as_markdown: bool, html_file: str | None, against: str, show: bool) -> None:
    """Options that contradict each other. Raises click.UsageError."""
    if as_markdown and (html_file or show or against):
        raise click.UsageError("--md prints Markdown: --html, --open and --against belong to the HTML file")
    if html_file == "-" and show:
        raise click.UsageError("--open needs a file: --html FILE")


def _write(state: State, text: str, path: Path, found: Chosen) -> None:
    from farm_results import report
    from farm_results.text import size

    if path.is_dir():
        raise UsageError(
            f"{path} is a folder", code="report.not-writable", fix=f"name a file: --html {path}/report.html"
        )
    report.write_text(text, path)
    written = len(text.encode())
    if state.json:
        counts = {"results": len(found.results), "comparisons": len(found.comparisons)}
        print_json({"schema": "farm.report/1", "file": str(path), "bytes": written, **counts})
    else:
        counted = ((len(found.results), "result"), (len(found.comparisons), "comparison"))
        told = [f"{count} {word}{'s' * (count != 1)}" for count, word in counted if count]
        say(f"{' and '.join(told)} in {size(written)}:")
        print_text(str(path))


def _open(path: Path) -> None:
    import webbrowser

    if not webbrowser.open(path.resolve().as_uri()):
        say(f"no browser could be opened here: open {path} yourself")
