"""``farm nightly install`` and ``uninstall``: who starts the nights."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import click

from farm.cli.output import print_json, print_text, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, UsageError

F = TypeVar("F", bound=Callable[..., Any])
KIND_TEXTS = {
    "systemd": "A user's timer of systemd.",
    "cron": "A line in the user's crontab.",
    "github": "A workflow for a runner of your own.",
}


def kind_options(function: F) -> F:
    """Decorator: where the nights are started."""
    for kind, text in reversed(KIND_TEXTS.items()):
        flag = click.option(f"--{kind}", "kinds", flag_value=kind, type=str, multiple=True, help=text)
        function = flag(function)
    return function


@click.command(
    "install",
    epilog=examples(
        "farm nightly install --systemd --at 02:30",
        "farm nightly install --cron --dry-run",
        "farm nightly install --github",
    ),
)
@kind_options
@click.option("--at", default="02:30", show_default=True, metavar="HH:MM", help="When; GitHub counts in UTC.")
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be written; write nothing.")
@json_option
@pass_state
def install(state: State, kinds: tuple[str, ...], at: str, dry_run: bool) -> int:
    """Start the nights of this folder by themselves.

    Installing again writes the same files again; other entries are left alone.
    """
    if not kinds:
        raise UsageError(
            "nothing says who starts the nights",
            code="nightly.kind",
            fix="give --systemd, --cron or --github",
        )
    return _change(state, kinds, at, dry_run=dry_run, remove=False)


@click.command(
    "uninstall", epilog=examples("farm nightly uninstall", "farm nightly uninstall --systemd --dry-run")
)
@kind_options
@click.option("-n", "--dry-run", is_flag=True, help="Show what would be removed; remove nothing.")
@json_option
@pass_state
def uninstall(state: State, kinds: tuple[str, ...], dry_run: bool) -> int:
    """Remove what install wrote for this folder.

    Without an option: all of it.
    """
    return _change(state, kinds, "00:00", dry_run=dry_run, remove=True)


def _change(state: State, kinds: Sequence[str], at: str, *, dry_run: bool, remove: bool) -> int:
    from farm.nightly import install as parts
    from farm.nightly.report import change_document

    job = parts.job_of(Path.cwd(), at)
    config_home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    done: list[tuple[str, parts.Change]] = []
    hints: list[str] = [] if remove else parts.environment_hints()
    for kind in dict.fromkeys(kinds or parts.KINDS):
        if remove and not kinds and kind == parts.CRON and shutil.which("crontab") is None:
            continue
        found = parts.changes(kind, job, config_home, remove=remove)
        done += [(kind, change) for change in found if change.needed]
        if not dry_run:
            hints += parts.carry_out(kind, job, found, remove=remove)
    if state.json:
        print_json(change_document([change for _, change in done], dry_run=dry_run, hints=hints))
    for _, change in done:
        words = ("would remove", "removed") if remove else ("would write", "wrote")
        say(f"{words[0] if dry_run else words[1]} {change.name}")
        if dry_run and not state.json and change.text is not None:
            print_text(change.text)
    if not done:
        say("nothing to do: it is as it should be" if not remove else "nothing of this folder is installed")
    if not remove and not state.config.nightly.matrices:
        hints.append("there is no [nightly] in farm.toml yet: nights will end with an error until there is")
    for hint in hints:
        say(hint)
    return EXIT_OK
