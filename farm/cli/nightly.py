"""``farm nightly``: what is measured every night, and what the nights found."""

from __future__ import annotations

import contextlib
import signal
import sys
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import TYPE_CHECKING

import click

from farm.cli import nightly_install
from farm.cli.duration import Duration
from farm.cli.output import print_json, print_problem, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import CommaList, examples, list_option
from farm.errors import EXIT_GATE, EXIT_INTERRUPTED, EXIT_NOTHING, EXIT_OK, EXIT_PARTIAL, UsageError

if TYPE_CHECKING:
    from farm.nightly.record import NightRecord
    from farm.nightly.tell import Tell
    from farm_results.finding import Finding
    from farm_results.store import Store

NONE_YET = "no night yet: farm nightly run"
GATES = ("regression", "silent", "error", "never")


@click.group(
    "nightly",
    invoke_without_command=True,
    epilog=examples(
        "farm nightly plan                       what tonight would measure, and why",
        "farm nightly run",
        "farm nightly status",
        "farm nightly install --systemd --at 02:30",
    ),
)
@json_option
@click.pass_context
def command(context: click.Context) -> int | None:
    """Measure every night, and find what became slower.

    What is measured stands in [nightly] of farm.toml; see docs/nightly.md. Without a command: status.
    """
    if context.invoked_subcommand is None:
        code: int = context.invoke(status)
        return code
    return None


command.add_command(nightly_install.install)
command.add_command(nightly_install.uninstall)


@command.command(
    "run",
    epilog=examples(
        "farm nightly run",
        "farm nightly run --fail-on regression,silent",
        "farm nightly run --fresh          give a broken night up and begin a new one",
    )
    + "\n\nExit codes: 0 done, 1 what --fail-on names was found, 2 usage, 3 some cells failed, 4 nothing "
    "measured, 130 interrupted.",
)
@click.option("--fresh", is_flag=True, help="Do not go on with a night that broke off.")
@list_option(
    "--fail-on",
    kind=CommaList(GATES),
    metavar="A,B",
    text="regression (the default), silent, error, never.",
)
@json_option
@pass_state
def run(state: State, fresh: bool, fail_on: tuple[str, ...]) -> int:
    """Measure, look at every number, confirm what stands out.

    A night that was interrupted or killed lately goes on where it was. Two nights never run at once.
    """
    from farm import progress
    from farm.nightly import report
    from farm.nightly.bring_home import bring_home
    from farm.nightly.night import run_night
    from farm.nightly.real import RealBench

    _refuse_empty(state)
    signal.signal(signal.SIGTERM, _terminate)
    settings = state.config.nightly
    bench = RealBench(state.config, settings, lambda: progress.choose(quiet=state.quiet), command=sys.argv)
    with _opened(state) as store:
        night = run_night(
            store,
            settings,
            bench,
            say,
            fresh=fresh,
            tell=_tell(state),
            recover=lambda one: bring_home(state.config, one, say),
        )
        found = _findings(store, night)
        if state.json:
            print_json(report.document(night, found))
        else:
            print_table(report.CELL_COLUMNS, [report.cell_row(cell) for cell in night.cells])
    for line in report.sentences(night, found):
        say(line)
    if night.state == "interrupted":
        say(report.GOES_ON)
    say(f"farm nightly status {night.night_id} shows it again")
    return _exit_code(night, found, fail_on or ("regression",))


@command.command("plan", epilog=examples("farm nightly plan", "farm nightly plan --json"))
@json_option
@pass_state
def plan(state: State) -> int:
    """Show what a night would measure now, and why.

    Devices are asked what they have; nothing is measured or stored.
    """
    from farm import audit
    from farm.nightly import report
    from farm.nightly.night import planned, refuse_empty
    from farm.nightly.obstacles import seen
    from farm.nightly.real import RealBench
    from farm.nightly.record import WAITING
    from farm.progress import Silent

    _refuse_empty(state)
    settings = state.config.nightly
    bench = RealBench(state.config, settings, Silent)
    with _opened(state) as store:
        wanted = bench.matrix(say)
        refuse_empty(wanted)
        cells, obstacles = seen(store, planned(store, settings, bench, wanted), audit.person())
    if state.json:
        print_json(report.plan_document(cells, settings.budget_s))
    else:
        print_table(report.PLAN_COLUMNS, [report.plan_row(cell) for cell in cells], title="Tonight")
    for line in (*report.plan_sentences(cells, settings.budget_s), *obstacles):
        say(line)
    return EXIT_OK if any(cell.state == WAITING for cell in cells) else EXIT_NOTHING


@command.command(
    "status",
    epilog=examples(
        "farm nightly status",
        "farm nightly status --last 14",
        "farm nightly status night-20261121-0230 --all",
        "farm nightly status --alarm-after 36h || echo 'no night'",
    ),
)
@click.argument("night_id", required=False, metavar="[NIGHT]")
@click.option("--last", type=click.IntRange(1, 1000), help="One line for each of the newest N nights.")
@click.option("--all", "show_all", is_flag=True, help="Every cell, not only those that stand out.")
@click.option("--alarm-after", type=Duration(), help="Exit code 1 when no night ended for so long.")
@json_option
@pass_state
def status(
    state: State,
    night_id: str | None = None,
    last: int | None = None,
    *,
    show_all: bool = False,
    alarm_after: float | None = None,
) -> int:
    """Show what a night found and what it costs to trust it.

    The last night without NIGHT; the rate of false alarms is the share of A/As that were called different.
    """
    from farm.nightly import report
    from farm.nightly.alone import running
    from farm_results.detect.false_alarms import false_alarms
    from farm_results.history import comparisons

    with _opened(state) as store:
        if last is not None:
            return _list(state, store, last)
        night = _night(store, night_id)
        rates = false_alarms(comparisons.outcomes(store, kind="aa", limit=1000))
        driver = running(store)
        found = [] if night is None else _findings(store, night)
        if state.json:
            print_json(report.document(night, found, rates))
        elif night is not None:
            _show(night, found, show_all=show_all, driver=driver)
        overdue = _overdue(store, alarm_after)
    if driver:
        say(f"a night goes on now: {driver}")
    if night is None:
        say(NONE_YET)
    for line in report.alarm_sentences(rates):
        say(line)
    if overdue:
        print_problem("nightly.overdue", overdue, "farm nightly run; and see whether its timer still runs")
        return EXIT_GATE
    return EXIT_OK if night is not None else EXIT_NOTHING


def _list(state: State, store: Store, count: int) -> int:
    """The newest nights, a line for each, without reading what each of their cells did."""
    from farm.nightly import report
    from farm_results.history import findings, nights

    heads = nights.heads(store, limit=count)
    words = findings.words_of(store, [head.night_id for head in heads])
    if state.json:
        print_json(report.list_document(heads, words))
    elif heads:
        print_table(
            report.NIGHT_COLUMNS, [report.night_row(head, words.get(head.night_id, {})) for head in heads]
        )
    else:
        say(NONE_YET)
    return EXIT_OK if heads else EXIT_NOTHING


def _show(night: NightRecord, found: Sequence[Finding], *, show_all: bool, driver: str) -> None:
    from farm.nightly import report
    from farm.nightly.record import DONE, RUNNING
    from farm.nightly.tell import worst_first

    for line in report.sentences(night, found):
        say(line)
    if found:
        print_table(report.FINDING_COLUMNS, [report.finding_row(each) for each in worst_first(found)])
    told = {each.finding_id for each in found}
    cells = [c for c in night.cells if show_all or (report.stands_out(c) and c.finding_id not in told)]
    if cells:
        print_table(report.CELL_COLUMNS, [report.cell_row(cell) for cell in cells])
    elif not found and night.state == DONE:
        say("nothing else to see: --all shows every cell")
    if night.state != DONE and not driver:
        how = "its process ended before it did" if night.state == RUNNING else "it was interrupted"
        then = "a newer night took its place" if night.closed else report.GOES_ON
        say(f"{how}: {then}")


def _overdue(store: Store, alarm_after: float | None) -> str:
    """Why the nights themselves are an alarm; "" while they are not."""
    import time

    from farm.nightly.record import DONE
    from farm.nightly.report import when
    from farm_results.history.nights import heads

    if alarm_after is None:
        return ""
    ended = [n.ended_unix_s for n in heads(store, limit=100, origin="", state=DONE) if n.ended_unix_s]
    if ended and time.time() - max(ended) <= alarm_after:
        return ""
    return f"the last night ended {when(max(ended))}" if ended else "no night ever ended"


def _night(store: Store, night_id: str | None) -> NightRecord | None:
    import time

    from farm.nightly.diary import decoded, latest
    from farm_results.history import nights

    if night_id is not None:
        return decoded(nights.get(store, night_id))
    return latest(store, time.time())


def _findings(store: Store, night: NightRecord) -> list[Finding]:
    from farm_results.history import findings

    return findings.of_night(store, night.night_id)


def _exit_code(night: NightRecord, found: Sequence[Finding], fail_on: Sequence[str]) -> int:
    if night.state == "interrupted":
        return EXIT_INTERRUPTED
    failed = any(cell.state == "failed" for cell in night.cells)
    measured = any(cell.state == "measured" for cell in night.cells)
    gates = {"regression": ("regression",), "silent": ("silent",)}
    words = {word for name in fail_on for word in gates.get(name, ())}
    if "never" not in fail_on and (any(f.word in words for f in found) or ("error" in fail_on and failed)):
        return EXIT_GATE
    if failed:
        return EXIT_PARTIAL
    return EXIT_OK if measured else EXIT_NOTHING


def _tell(state: State) -> Tell:
    def tell(title: str, body: str, level: str) -> Sequence[str]:
        from farm import notify

        return notify.send(state.config, title, body, level).failed

    return tell


def _refuse_empty(state: State) -> None:
    if not state.config.nightly.matrices:
        raise UsageError(
            "there is no [nightly] in farm.toml that says what to measure",
            code="nightly.nothing",
            fix='write [nightly] with models = ["model.onnx"] into farm.toml, as docs/nightly.md says',
        )


def _terminate(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


@contextlib.contextmanager
def _opened(state: State) -> Iterator[Store]:
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        yield store
    finally:
        store.close()
