"""``farm health``: how the devices are, and what to do about those that are not well."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from farm.cli.duration import Duration
from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples, list_option
from farm.errors import EXIT_GATE, EXIT_NOTHING, EXIT_OK, EXIT_PARTIAL, UsageError

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.health.rounds import Visit
    from farm_results.store import Store

devices_option = list_option(
    "-d", "--devices", metavar="SELECTORS", text="Names, globs, tags, profiles, !name; default: all."
)


@click.group(
    "health",
    invoke_without_command=True,
    epilog=examples(
        "farm health",
        "farm health run --due               from cron or a timer",
        "farm health check --alarm-after 24h",
        "farm health recover rpi4-a",
    ),
)
@json_option
@click.pass_context
def command(context: click.Context) -> None:
    """Show how the devices are, check them, help them.

    A device is good, suspect, quarantined, retired, or unknown.
    """
    if context.invoked_subcommand is None:
        context.invoke(show)


@command.command("show", epilog=examples("farm health show", "farm health show -d lab --json"))
@devices_option
@json_option
@pass_state
def show(state: State, devices: tuple[str, ...] = ()) -> None:
    """Print every device's health.

    With its last canary against what is usual for it, and what changed.
    """
    from farm.health import report, rows
    from farm.health.states import database_now

    with _opened(state) as store:
        standings, now = rows.read_all(store.engine), database_now(store.engine)
    names = [device.name for device in _selected(state, devices)]
    if not devices:  # those that left the inventory, as retired ones do
        names += [name for name in standings if name not in names]
    found = report.lines(standings, names)
    if state.json:
        print_json({"schema": "farm.health/1", "devices": [report.document(line) for line in found]})
        return
    print_table(report.COLUMNS, [report.cells(line, now) for line in found])


@command.command(
    "run",
    epilog=examples(
        "farm health run",
        "farm health run -d rpi4-a,rpi4-b",
        "farm health run --due               those whose last canary is too old",
    ),
)
@devices_option
@click.option("--due", is_flag=True, help="Only devices whose check is due, by [health] every in farm.toml.")
@click.option("--no-recovery", is_flag=True, help="Do not try to bring a device back that fails.")
@click.option(
    "--wait", type=Duration(), default="1m", show_default=True, help="How long to wait for one in use."
)
@json_option
@pass_state
def run(state: State, devices: tuple[str, ...], due: bool, no_recovery: bool, wait: float) -> int:
    """Check devices by the canary network.

    Each runs it and must compute it right.

    A device that fails is suspect; the recovery ladder tries to bring it back, and quarantines it where
    nothing helps. Exit code 3 when a device is not well, 4 when nothing was to be checked.
    """
    from farm.health import report, rounds

    chosen = _selected(state, devices)
    with _opened(state) as store:
        visits = rounds.Round(
            store.engine,
            state.config,
            store.name,
            say,
            threading.Event(),
            due_only=due,
            named=bool(devices) and not due,
            ladder=not no_recovery,
            wait_s=wait,
        ).walk(chosen)
        _report_quarantined(state, visits)
    if state.json:
        print_json({"schema": "farm.health-run/1", "devices": [report.visited(visit) for visit in visits]})
    else:
        print_table(report.VISIT_COLUMNS, [report.visit_cells(visit) for visit in visits])
    in_use = [visit for visit in visits if due and visit.exam is not None and visit.exam.busy]
    if not all(visit.ok or visit in in_use for visit in visits):  # whoever measures there, sees how it is
        return EXIT_PARTIAL
    return EXIT_NOTHING if all(visit.skipped for visit in visits) and not due else EXIT_OK


@command.command("recover", epilog=examples("farm health recover rpi4-a"))
@click.argument("name")
@json_option
@pass_state
def recover(state: State, name: str) -> int:
    """Climb the recovery ladder with a device.

    Reconnect, restart the agent, restart, cycle the power.

    It ends with the first step after which the device runs its canary right. Exit code 3 when none helps.
    """
    from farm.health import report, rounds

    (device,) = _selected(state, (f"name:{name}",))
    with _opened(state) as store:
        visit = rounds.Round(store.engine, state.config, store.name, say, threading.Event()).recover(device)
    if state.json:
        print_json({"schema": "farm.health-recovery/1", **report.visited(visit)})
    else:
        if tried := report.steps(visit):
            print_table(("step", "outcome", "what happened"), tried)
        say(f"{name}: {report.visit_cells(visit)[1]}")
    return EXIT_OK if visit.ok else EXIT_PARTIAL


@command.command("history", epilog=examples("farm health history rpi4-a"))
@click.argument("name")
@click.option("--last", type=click.IntRange(1, 10_000), default=50, show_default=True, help="So many rows.")
@json_option
@pass_state
def history(state: State, name: str, last: int) -> int:
    """Print what was done to a device, by whom and why.

    Newest first.
    """
    from farm import audit
    from farm.health.states import when

    with _opened(state) as store:
        entries = audit.recent(store.engine, name, limit=last)
    if state.json:
        print_json({"schema": "farm.audit/1", "entries": [vars(entry) for entry in entries]})
    else:
        rows = [(when(each.at_unix_s), each.actor, each.event, each.reason) for each in entries]
        print_table(("time", "who", "what", "why"), rows)
    if not entries:
        say(f"nothing was done to a device called {name}")
    return EXIT_OK if entries else EXIT_NOTHING


@command.command(
    "set",
    epilog=examples(
        "farm health set rpi4-a quarantined --reason 'fan is broken'",
        "farm health set rpi4-a quarantined --reason 'in the oven' --for 2h",
        "farm health set rpi4-a good --reason 'new fan'",
    ),
)
@click.argument("name")
@click.argument("health", type=click.Choice(["good", "suspect", "quarantined", "retired", "unknown"]))
@click.option("--reason", required=True, metavar="TEXT", help="Why; it is kept in the audit trail.")
@click.option(
    "--for", "for_s", type=Duration(), help="How long a quarantine lasts; default: until it is ended."
)
@json_option
@pass_state
def set_health(state: State, name: str, health: str, reason: str, for_s: float | None) -> None:
    """Say yourself how a device is."""
    from farm import audit
    from farm.health import judgement, report

    if for_s is not None and health != "quarantined":
        raise UsageError(f"--for says nothing to {health}", code="cli.usage", fix="leave --for out")
    if not reason.strip():
        raise UsageError("an empty reason is none", code="cli.usage", fix="say why with --reason '...'")
    with _opened(state) as store:
        known = _known(state, store, name)
        standing = judgement.decree(store.engine, known, audit.person(), health, reason.strip(), for_s)
    if state.json:
        print_json({"schema": "farm.health-set/1", **report.document(report.line(standing))})
    say(f"{name} is {health}: {reason.strip()}")


@command.command("accept", epilog=examples("farm health accept rpi4-a"))
@click.argument("name")
@json_option
@pass_state
def accept(state: State, name: str) -> None:
    """Take a device as it is now as right.

    Its kernel, runtimes, firmware, and its speed.
    """
    from farm import audit
    from farm.health import judgement

    with _opened(state) as store:
        changed = judgement.accept(store.engine, _known(state, store, name), audit.person())
    if state.json:
        print_json({"schema": "farm.health-accepted/1", "device": name, "accepted": list(changed)})
    say(f"{name}: accepted {'; '.join(changed)}" if changed else f"{name}: nothing had changed")


@command.command(
    "check",
    epilog=examples("farm health check", "farm health check --alarm-after 24h || echo 'a board is gone'"),
)
@devices_option
@click.option(
    "--alarm-after", type=Duration(), help="Silence that is an alarm; default: [health] alarm_after, 24h."
)
@json_option
@pass_state
def check(state: State, devices: tuple[str, ...], alarm_after: float | None) -> int:
    """Tell of devices that have not answered for too long.

    Contacts none; exit code 1 when there are any.

    The command in [health] alarm of farm.toml hears of each silence once, as JSON on its standard input.
    """
    from farm.health import alarm, announce, report, rows
    from farm.health.states import database_now

    after_s = state.config.health.alarm_after_s if alarm_after is None else alarm_after
    names = [device.name for device in _selected(state, devices)]
    with _opened(state) as store:
        standings, now = rows.read_all(store.engine), database_now(store.engine)
        silent = alarm.silences(standings, names, after_s, now)
        fresh = [silence for silence in silent if not silence.told]
        document = report.alarm_document("silent", silent)
        announce.silent(state.config, fresh, say)
        for silence in fresh:
            alarm.mark_told(store.engine, silence)
    if state.json:
        print_json(document)
    for silence in silent:
        print_error(report.silence_error(silence))
    if not silent:
        say(f"no device that was ever seen is silent for longer than {report.span(after_s)}")
    return EXIT_GATE if silent else EXIT_OK


def _report_quarantined(state: State, visits: Sequence[Visit]) -> None:
    """Tell of devices that this round put out of use."""
    from farm.health import announce

    out = [visit.exam.standing for visit in visits if visit.exam is not None and not visit.ok]
    out = [standing for standing in out if standing.health == "quarantined"]
    announce.quarantined(state.config, out, say)


@contextlib.contextmanager
def _opened(state: State) -> Iterator[Store]:
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        yield store
    finally:
        store.close()


def _selected(state: State, words: Sequence[str]) -> list[Device]:
    from farm.devices import inventory
    from farm.devices.select import select
    from farm_profiles.load import load_profile, profile_names

    devices = inventory.load(state.config.inventory_path)
    profiles = {name: load_profile(name) for name in profile_names()} if words else {}
    return select(devices, profiles, words or ("all",)).matches


def _known(state: State, store: Store, name: str) -> str:
    """The name, when the inventory or the store knows it."""
    from farm.health import rows

    return name if name in rows.read_all(store.engine, name) else _selected(state, (f"name:{name}",))[0].name
