"""``farm devices who|reserve|lock|unlock``: whose a device is, now and later."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import click

from farm.cli.duration import Duration
from farm.cli.output import print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples

if TYPE_CHECKING:
    from farm.devices.reservations import Reservation
    from farm.devices.who import Usage

COLUMNS = ("device", "holder", "job", "since", "fence", "waiting", "reserved")

reason_option = click.option("--reason", default="", metavar="TEXT", help="Shown to everybody else.")


@click.command("who", epilog=examples("farm devices who", "farm devices who rpi4-a --json"))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@pass_state
def who(state: State, names: tuple[str, ...]) -> None:
    """Show who has devices, and who waits for them.

    And for whom they are kept.
    """
    from farm.devices import inventory
    from farm.devices.who import usage_of
    from farm_results.store import open_store

    for name in names:
        _known(state, name)
    store = open_store(state.config.store)
    try:
        wanted = names or tuple(inventory.load(state.config.inventory_path))
        found = [usage_of(store.engine, name) for name in wanted]
    finally:
        store.close()
    if state.json:
        from farm_agent import codec

        print_json({"schema": "farm.who/1", "devices": codec.encode(found)})
    else:
        print_table(COLUMNS, [_row(usage) for usage in found])


@click.command("reserve", epilog=examples("farm devices reserve orin --for 2h --reason 'driver update'"))
@click.argument("name")
@click.option("--for", "for_s", type=Duration(), required=True, metavar="TIME", help="For how long: 30m, 2h.")
@reason_option
@json_option
@pass_state
def reserve(state: State, name: str, for_s: float, reason: str) -> None:
    """Keep a device for yourself for a while.

    What runs there now goes on; the jobs of others wait, or fail and say who has the device and until when.
    """
    _reserve(state, name, for_s, reason)


@click.command("lock", epilog=examples("farm devices lock orin --reason 'fan broken'"))
@click.argument("name")
@reason_option
@json_option
@pass_state
def lock(state: State, name: str, reason: str) -> None:
    """Keep a device for yourself until you unlock it."""
    _reserve(state, name, None, reason)


@click.command("unlock", epilog=examples("farm devices unlock orin"))
@click.argument("name")
@click.option("--force", is_flag=True, help="Also when somebody else has it; the audit trail keeps that.")
@json_option
@pass_state
def unlock(state: State, name: str, force: bool) -> None:
    """End a reservation or a lock."""
    from farm import audit
    from farm.devices import reservations
    from farm_agent import codec
    from farm_results.store import open_store

    _known(state, name)
    store = open_store(state.config.store)
    try:
        ended = reservations.unlock(store.engine, name, audit.person(), force=force)
    finally:
        store.close()
    if state.json:
        print_json({"schema": "farm.reservation/1", "device": name, "ended": codec.encode(ended)})
    say(f"{name}: was {ended.text()}; now it is for everybody" if ended else f"{name} was not reserved")


def _reserve(state: State, name: str, for_s: float | None, reason: str) -> None:
    from farm import audit
    from farm.devices import reservations
    from farm.errors import UsageError
    from farm_agent import codec
    from farm_results.store import open_store

    _known(state, name)
    if for_s is not None and for_s <= 0:
        raise UsageError("--for needs a time above 0", code="cli.usage", fix="give --for 30m, for instance")
    store = open_store(state.config.store)
    try:
        made = reservations.reserve(store.engine, name, audit.person(), for_s=for_s, reason=reason)
    finally:
        store.close()
    if state.json:
        print_json({"schema": "farm.reservation/1", "device": name, "reservation": codec.encode(made)})
    say(f"{name}: {made.text()}")


def _known(state: State, name: str) -> None:
    from farm.cli.devices import known

    known(state, name)


def _row(usage: Usage) -> tuple[str, ...]:
    state = f"{usage.holder} (died)" if usage.dead else usage.holder
    queue = ", ".join(
        f"{ticket.owner or ticket.holder} (priority {ticket.priority})" for ticket in usage.waiting
    )
    return (
        usage.device,
        state or "free",
        usage.job_id,
        _when(usage.job_since_unix_s),
        str(usage.fence or ""),
        queue,
        _reserved(usage.reservation),
    )


def _reserved(reservation: Reservation | None) -> str:
    return reservation.text() if reservation else ""


def _when(unix_s: float | None) -> str:
    return "" if unix_s is None else time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime(unix_s))
