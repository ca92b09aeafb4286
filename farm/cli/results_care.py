"""``farm results verify`` and ``gc``: is the store whole, and what does it keep for nothing."""

from __future__ import annotations

import time

import click

from farm.cli.output import print_json, print_table, say, say_sentence
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_GATE, EXIT_OK, UsageError

SHOWN = 100
LONGEST_RUN_S = 2 * 86_400.0
FIXES = {
    "database": "restore the file from a backup, or merge its rows into a new store: farm results merge",
    "row": "restore it from a backup; other rows can be read",
    "columns": "somebody changed the row by hand; the record is what was measured",
    "object": "remove the file, then take it in again from a backup or another store: farm results merge",
    "missing file": "take it in again from a backup or another store: farm results merge",
    "series": "somebody changed the row by hand",
}


@click.command(epilog=examples("farm results verify", "farm results verify --quick --json"))
@click.option("--quick", is_flag=True, help="Only look whether files are there; do not read them.")
@json_option
@pass_state
def verify(state: State, quick: bool) -> int:
    """Check every row and every file of the store.

    Rows must be readable and agree with themselves; each file's content must have the sha256 that is its
    name, and every file that a result names must be there. Exit code 1 when something is wrong.
    """
    from farm_results.storage.verify import verify as look
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        done = look(store, contents=not quick)
        warning = store.warning()
        name = store.name
    finally:
        store.close()
    if state.json:
        from farm_agent import codec

        print_json({"schema": "farm.verified/1", "store": name, **codec.encode(done)})
    elif done.problems:
        print_table(
            ("problem", "of", "what", "fix"),
            [(one.kind, one.name, one.text, FIXES.get(one.kind, "")) for one in done.problems[:SHOWN]],
        )
        if len(done.problems) > SHOWN:
            say(f"and {len(done.problems) - SHOWN} more: --json lists all")
    files = "files are there" if quick else "files have the content that their name promises"
    wrong = len(done.problems)
    if wrong:
        say(f"{name}: {wrong} problem{'s' * (wrong != 1)} in {done.rows} rows and {done.objects} files")
    else:
        say(f"{name}: {done.rows} rows can be read, {done.objects} {files}")
    if warning:
        say_sentence(f"warning: {warning}")
    return EXIT_GATE if wrong else EXIT_OK


@click.command(epilog=examples("farm results gc --dry-run", "farm results gc"))
@click.option("-n", "--dry-run", is_flag=True, help="Only say what would be removed.")
@json_option
@pass_state
def gc(state: State, dry_run: bool) -> int:
    """Remove files that nothing in the store names.

    They are left behind by a driver that was killed before its result was stored. Results, their samples and
    the artifacts that are kept for A/B are never removed. Files younger than a day are left alone.
    """
    from farm.jobs import runs
    from farm_results.storage.spool import Spool
    from farm_results.storage.sweep import sweep
    from farm_results.store import open_store

    store = open_store(state.config.store)
    try:
        runs.close_dead(store)
        # One that began days ago on another machine was given up: only its machine could tell.
        recent = time.time() - LONGEST_RUN_S
        going = [run for run in store.runs(state="running") if run.created_unix_s > recent]
        if going and not dry_run:
            raise UsageError(
                f"run {going[0].run_id} is under way on {going[0].host}",
                code="results.busy",
                fix="wait for its end (farm results runs), or look with --dry-run",
            )
        waiting = Spool(state.config.state_dir, store.name).texts()
        done = sweep(store, dry_run=dry_run, also=waiting)
        name = store.name
    finally:
        store.close()
    if state.json:
        from farm_agent import codec

        print_json({"schema": "farm.swept/1", "store": name, "dry_run": dry_run, **codec.encode(done)})
    verb = "would be removed" if dry_run else "removed"
    say(
        f"{name}: {len(done.swept)} of {done.objects} files {verb} ({done.swept_bytes / 1e6:.1f} MB)"
        + (f"; {done.kept_young} that nothing names are younger than a day" if done.kept_young else "")
    )
    return EXIT_OK
