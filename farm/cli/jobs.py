"""``farm jobs``: jobs whose result is not stored yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from farm.cli.duration import Duration
from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples, list_option
from farm.errors import EXIT_NOTHING, EXIT_OK, EXIT_PARTIAL, FarmError, UsageError

if TYPE_CHECKING:
    from farm.jobs.collecting import Collected

COLUMNS = ("job", "device", "state", "age", "driver")


@click.group(
    "jobs",
    invoke_without_command=True,
    epilog=examples("farm jobs", "farm jobs collect", "farm jobs drop 20261121-101500-a1b2-003"),
)
@json_option
@click.pass_context
def command(context: click.Context) -> int | None:
    """List unfinished jobs, bring them home, give them up.

    A job outlives the command that began it: whoever has its device next ends it and stores its result.
    """
    if context.invoked_subcommand is None:
        code: int = context.invoke(list_jobs)
        return code
    return None


@command.command("list", epilog=examples("farm jobs list", "farm jobs list --json"))
@json_option
@pass_state
def list_jobs(state: State) -> int:
    """List jobs that were begun and whose result is not stored. Exit code 4 when there are none.

    begun: written down; started: its device has it; stored: only the device was not told yet.
    """
    from farm.jobs import runs
    from farm.jobs.collecting import listed
    from farm_agent import codec
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        runs.close_dead(store)
        found = listed(store)
    finally:
        store.close()
    if state.json:
        print_json({"schema": "farm.jobs/1", "jobs": codec.encode(found)})
    else:
        print_table(
            COLUMNS,
            [(job.job_id, job.device, job.state, _age(job.age_s), job.driver or "none") for job in found],
        )
    return EXIT_OK if found else EXIT_NOTHING


@command.command(epilog=examples("farm jobs collect", "farm jobs collect -d rpi4-a --wait 30m"))
@list_option("-d", "--devices", metavar="NAMES", text="Only these devices.")
@click.option(
    "--wait", type=Duration(), default="10m", show_default=True, help="How long to wait for a device."
)
@json_option
@pass_state
def collect(state: State, devices: tuple[str, ...], wait: float) -> int:
    """Bring the results of unfinished jobs home.

    Follows what still runs to its end, judges and stores what ended, each under its own run. Results that
    wait on this machine because the store was away are stored first. Exit code 3 when something is left, 4
    when there was nothing to do.
    """
    from farm.devices import inventory
    from farm.jobs import collecting, runs, spooling
    from farm_results.storage.spool import Spool
    from farm_results.store import open_store

    known = inventory.load(state.config.inventory_path)
    store = open_store(state.config.store)
    try:
        runs.close_dead(store)
        spool = Spool(state.config.state_dir, store.name)
        waited = spool.count()
        waiting = spooling.flush(store, spool, say)
        names = list(dict.fromkeys(job.device for job in collecting.listed(store)))
        wanted = [name for name in names if not devices or name in devices]
        unknown = [name for name in wanted if name not in known]
        found = collecting.collect(
            store, state.config, [known[name] for name in wanted if name in known], wait_s=wait, tell=say
        )
    finally:
        store.close()
    errors = [each.error for each in found if each.error is not None] + [_unknown(name) for name in unknown]
    if state.json:
        print_json({"schema": "farm.collected/1", "devices": [_document(each) for each in found]})
    else:
        print_table(("device", "ended"), [(each.device, ",".join(each.jobs)) for each in found])
    for error in errors:
        print_error(error)
    if waiting:
        say(f"{waiting} results still wait in {spool.folder}")
    if errors or waiting:
        return EXIT_PARTIAL
    if not wanted and not waited:
        say("nothing is unfinished")
    return EXIT_OK if wanted or waited else EXIT_NOTHING


@command.command(epilog=examples("farm jobs drop 20261121-101500-a1b2-003"))
@click.argument("job")
@json_option
@pass_state
def drop(state: State, job: str) -> None:
    """Give a job up.

    What of it still runs is stopped at the next contact.
    """
    from farm import audit
    from farm.jobs import collecting
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        row = collecting.drop(store, job, audit.person())
    finally:
        store.close()
    if state.json:
        print_json({"schema": "farm.job-dropped/1", "job_id": row.job_id, "device": row.device})
    say(f"{row.job_id} of {row.device} is given up")


def _document(each: Collected) -> dict[str, object]:
    error = each.error
    return {
        "device": each.device,
        "jobs": list(each.jobs),
        "error": None if error is None else {"code": error.code, "message": error.message, "fix": error.fix},
    }


def _unknown(name: str) -> FarmError:
    return UsageError(
        f"jobs are left on {name}, which is not in the inventory",
        code="device.unknown",
        fix=f"add it again with `farm devices add {name} ADDRESS`, or give them up with `farm jobs drop`",
    )


def _age(age_s: float) -> str:
    for unit, length_s in (("d", 86400), ("h", 3600), ("min", 60)):
        if age_s >= length_s:
            return f"{age_s / length_s:.0f} {unit}"
    return f"{age_s:.0f} s"
