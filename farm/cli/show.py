"""``farm show``: one run or job in full, with the reasons behind its verdicts."""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from farm.cli.output import colours, print_json, printable, say
from farm.cli.results import filters
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK, FarmError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.store import Store
    from farm_results.view import Line
    from farm_results.view.raw import Process

LEAST_WIDTH, MOST_WIDTH = 40, 120
_COLOURS: dict[str, dict[str, Any]] = {
    "head": {"bold": True},
    "good": {"fg": "green"},
    "warn": {"fg": "yellow"},
    "bad": {"fg": "red"},
    "dim": {"dim": True},
}


@click.command(
    "show",
    epilog=examples(
        "farm show                        the last run",
        "farm show 20261121 --runtime openvino",
        "farm show 20261121-092059-cd6e-000 --layers",
    ),
)
@click.argument("name", default="last", metavar="[RUN|JOB|last]")
@filters
@click.option("--layers", is_flag=True, help="Also the time of every layer (farm bench --profile-ops).")
@json_option
@pass_state
def command(state: State, /, name: str, layers: bool, **wanted: Any) -> int:  # noqa: ANN401
    """Show a run in full, with the reasons behind its verdicts.

    Histogram, timeline, outliers, memory and conditions of each result; every pair of a comparison in turns
    (farm bench --ab). A run, job or comparison is named by its id or the beginning of it. Exit code 4 when
    nothing matches.
    """
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        results, made = _find(store, name, wanted)
        if made and not results:
            _print_comparisons(made, state)
            _say_unfinished(store, made[-1].run_id)
            return EXIT_OK
        if not results:
            say("no result matches")
            return EXIT_NOTHING
        if state.json:
            found = {"results": [_document(store, one, layers) for one in results]}
            print_json({"schema": "farm.show/1", **found, **_documents(made)})
        else:
            for number, result in enumerate(results):
                _print(_lines(store, result, layers), gap=number > 0)
            if made:
                _print_comparisons(made, state)
        _say_unfinished(store, results[-1].run_id)
    finally:
        store.close()
    return EXIT_OK


def _say_unfinished(store: Store, run_id: str) -> None:
    from farm.jobs.runs import unfinished_text

    if text := unfinished_text(store, run_id):
        say(text)


def _find(store: Store, name: str, wanted: dict[str, Any]) -> tuple[list[Result], list[Comparison]]:
    """Of a run, or the one job or comparison of that name. Raises UsageError results.unknown-run,
    results.ambiguous-run"""
    from farm_results.history import comparisons

    try:
        run_id = store.find_run(name)
        made = [] if any(wanted.values()) else comparisons.of_run(store, run_id)[::-1]
        return store.results(run_id, **wanted), made
    except UsageError as error:
        if error.code != "results.unknown-run":
            raise
        try:
            return [store.result(name)], []
        except UsageError as job_error:
            if job_error.code == "results.ambiguous-job":
                raise
        try:
            return [], [comparisons.get(store, name)]
        except UsageError as other:
            raise (other if other.code == "results.ambiguous-comparison" else error) from None


def _documents(made: Sequence[Comparison]) -> dict[str, Any]:
    from farm_results.view import versus

    return {"comparisons": [versus.document(each) for each in made]} if made else {}


def _print_comparisons(made: Sequence[Comparison], state: State) -> None:
    from farm_results.view import versus

    if state.json:
        print_json({"schema": "farm.ab/1", **_documents(made)})
        return
    for number, each in enumerate(made):
        _print(versus.page(each, _width()), gap=number > 0)


def _samples(store: Store, result: Result) -> tuple[list[Process], str]:
    """The raw samples, or why they cannot be shown."""
    from farm_results.view import raw

    try:
        job = raw.job_of(result)
        if job is None or not result.sample_hashes:
            return [], "" if result.status != "ok" or job is None or job.tool else "none were kept"
        return raw.load(result, job, store.objects), ""
    except FarmError as error:
        return [], f"{error.message} [{error.code}]" + (f"; {error.fix}" if error.fix else "")


def _lines(store: Store, result: Result, layers: bool) -> list[Line]:
    from farm_results.view import layers as layer_view
    from farm_results.view import page, raw, section

    processes, problem = _samples(store, result)
    try:
        job = raw.job_of(result)
    except FarmError:
        job = None
    width = _width()
    found = page.page(result, job, processes, width, problem)
    return found + (section("Layers", layer_view.lines(result, width)) if layers else [])


def _document(store: Store, result: Result, layers: bool) -> dict[str, Any]:
    from farm_results.layers import summary
    from farm_results.view import page

    processes, problem = _samples(store, result)
    document = page.document(result, processes, problem)
    return document | ({"layers": summary(result)} if layers else {})


def _width() -> int:
    columns = shutil.get_terminal_size((MOST_WIDTH - 20, 24)).columns
    return max(LEAST_WIDTH, min(MOST_WIDTH, columns))


def _print(lines: list[Line], *, gap: bool) -> None:
    """Text that the output's encoding can hold, coloured on a terminal."""
    from farm_results.view.bars import plain

    coloured = colours(sys.stdout)
    unicode = _holds_unicode()
    out = ["\n"] if gap else []
    for line in lines:
        text = printable(line.text if unicode else plain(line.text))
        style = _COLOURS.get(line.style) if coloured and text else None
        out.append((click.style(text, **style) if style else text) + "\n")
    sys.stdout.write("".join(out))


def _holds_unicode() -> bool:
    try:
        "▁▇█▏µ·→°±–".encode(sys.stdout.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return os.environ.get("TERM") != "linux"
