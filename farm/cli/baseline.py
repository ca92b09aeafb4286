"""``farm baseline``: which result each series is held against, and moving it."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from farm.cli.output import print_json, print_table, say, say_sentence
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_NOTHING, EXIT_OK, EXIT_PARTIAL, UsageError

if TYPE_CHECKING:
    from farm_results.history.baselines import Baseline
    from farm_results.history.moves import Move
    from farm_results.history.points import SeriesRow
    from farm_results.series import SeriesKey
    from farm_results.store import Store

F = TypeVar("F", bound=Callable[..., Any])

_REASON = click.option("--reason", default="", help="Why; kept with the baseline and in the audit trail.")


def _filters(function: F) -> F:
    for option in (
        click.option("--runtime", help="Only series of this runtime."),
        click.option("--model", help="Only series of this model."),
        click.option("--device", help="Only series of this device."),
    ):
        function = option(function)
    return function


@click.group(
    "baseline",
    epilog=examples(
        "farm baseline show --device rpi4-a",
        "farm baseline set last --reason 'release 2.1'",
        "farm baseline accept 3f9c --reason 'the new model is larger on purpose'",
        "farm baseline history",
    ),
)
def command() -> None:
    """Show and move the results that series are held against.

    A nightly run compares each series with its baseline. The first night of a series sets it; after that
    people move it, by these commands or the dashboard, each time with who did it and why.
    """


@command.command("show", epilog=examples("farm baseline show", "farm baseline show --model digits --json"))
@_filters
@json_option
@pass_state
def show(state: State, /, **wanted: str | None) -> int:
    """List the baselines of now. Exit code 4 when there are none."""
    from farm_results.history import baselines

    with _opened(state) as store:
        rows = _series(store, wanted)
        found = baselines.currents(store, list(rows))
    _list(state, rows, [found[name] for name in rows if name in found], "farm.baselines/1")
    if not found:
        say("no series has a baseline: farm baseline set last")
    return EXIT_OK if found else EXIT_NOTHING


@command.command(
    "history", epilog=examples("farm baseline history --device rpi4-a", "farm baseline history --limit 5")
)
@_filters
@click.option(
    "--limit", type=click.IntRange(min=1), default=50, show_default=True, help="Only the newest N of each."
)
@json_option
@pass_state
def history(state: State, /, limit: int, **wanted: str | None) -> int:
    """List every baseline that series had, newest first. Exit code 4 when there are none."""
    from farm_results.history import baselines

    with _opened(state) as store:
        rows = _series(store, wanted)
        known = baselines.currents(store, list(rows))
        found = [one for name in known for one in baselines.history(store, name, limit=limit)]
    found.sort(key=lambda one: -one.at_unix_s)
    _list(state, rows, found, "farm.baseline-history/1")
    return EXIT_OK if found else EXIT_NOTHING


@command.command(
    "set",
    epilog=examples(
        "farm baseline set last",
        "farm baseline set last~3 --device rpi4-a --reason 'release 2.1'",
        "farm baseline set git.branch=main --dry-run",
    ),
)
@click.argument("ref", metavar="RUN")
@_filters
@_REASON
@click.option("-n", "--dry-run", is_flag=True, help="Show what would move; move nothing.")
@json_option
@pass_state
def set_(state: State, /, ref: str, reason: str, dry_run: bool, **wanted: str | None) -> int:
    """Hold each series of a run against that run from now on.

    RUN is an id or its beginning, KEY=VALUE of a label, a git commit, last, last~1, or one job. Failed,
    invalid and throttled results are refused; then the exit code is 3, and 4 when nothing could be set.
    """
    from farm.audit import person
    from farm_results import refs
    from farm_results.history.moves import moved, moves

    with _opened(state) as store:
        named = refs.resolve(store, ref, measured=True)
        if named.kind == refs.BASELINE:
            raise UsageError(
                "@baseline already is the baseline", code="baseline.itself", fix="farm baseline set last"
            )
        results = [
            result
            for result in refs.results_of(store, named)
            if all(value is None or getattr(result, name) == value for name, value in wanted.items())
        ]
        found = moves(store, results)
        if not dry_run:
            found = tuple(moved(store, move, actor=person(), reason=reason) for move in found)
    _show_moves(state, found, dry_run=dry_run)
    refused = sum(bool(move.refused) for move in found)
    if refused == len(found):
        say("nothing was set" if found else f"{ref} has no such result")
        return EXIT_NOTHING
    return EXIT_PARTIAL if refused else EXIT_OK


@command.command("accept", epilog=examples("farm baseline accept 3f9c --reason 'larger on purpose'"))
@click.argument("finding", metavar="FINDING")
@_REASON
@json_option
@pass_state
def accept(state: State, finding: str, reason: str) -> int:
    """Make what a nightly finding found the new baseline.

    FINDING is its id, or four characters of its beginning and more (farm nightly status). The finding is then
    accepted.
    """
    from farm.audit import person
    from farm_results.history import moves

    with _opened(state) as store:
        done = moves.accept(store, finding, actor=person(), reason=reason)
    _show_moves(state, (done,), dry_run=False)
    return EXIT_OK


@contextlib.contextmanager
def _opened(state: State) -> Iterator[Store]:
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        yield store
    finally:
        store.close()


def _series(store: Store, wanted: dict[str, str | None]) -> dict[str, SeriesRow]:
    from farm_results.history.points import series_rows

    found = series_rows(store, device=wanted["device"], model=wanted["model"], runtime=wanted["runtime"])
    return {row.series: row for row in found}


def _list(state: State, rows: dict[str, SeriesRow], found: Sequence[Baseline], schema: str) -> None:
    if state.json:
        from farm_agent import codec

        entries = [
            {**codec.encode(one), "key": codec.encode(rows[one.series].key)}  # what the series is of
            for one in found
        ]
        print_json({"schema": schema, "baselines": entries})
        return
    columns = ("series", "of", "job", "since", "how", "by", "reason")
    cells = [
        (
            one.series,
            _name(rows[one.series].key),
            one.job_id,
            time.strftime("%Y-%m-%d %H:%MZ", time.gmtime(one.at_unix_s)),
            one.event,
            one.actor,
            one.reason,
        )
        for one in found
    ]
    print_table(columns, cells)


def _name(key: SeriesKey) -> str:
    """Everything that tells a series from another: a baseline is of exactly one."""
    threads = f"{key.threads} thread{'s' * (key.threads != 1)}"
    parts = [key.model, key.device, key.runtime, key.precision, threads, key.scenario]
    parts += [f"{name}={value}" for name, value in key.options.items()]
    return " ".join(part for part in (*parts, key.origin.upper()) if part)


def _show_moves(state: State, found: Sequence[Move], *, dry_run: bool) -> None:
    if state.json:
        entries = [
            {
                "series": move.series,
                "job_id": move.result.job_id,
                "before": move.before.job_id if move.before else None,
                "refused": move.refused,
                "moves": move.moves,
            }
            for move in found
        ]
        print_json({"schema": "farm.baseline-moves/1", "dry_run": dry_run, "moves": entries})
        return
    columns = ("series", "of", "from", "to")
    cells = [
        (move.series, _of(move), move.before.job_id if move.before else "", move.result.job_id)
        for move in found
        if move.moves
    ]
    if cells:
        print_table(columns, cells)
    if stay := sum(not (move.moves or move.refused) for move in found):
        say(f"{stay} series {'is' if stay == 1 else 'are'} held against it already")
    for move in found:
        if move.refused:
            say_sentence(f"refused  {_of(move)}: {move.result.job_id} is {move.refused}")
    if dry_run:
        say("nothing was moved (--dry-run)")


def _of(move: Move) -> str:
    from farm_results.series import key_of

    return _name(key_of(move.result))
