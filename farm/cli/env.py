"""``farm env``: the Python environments that conversions run in."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from farm.cli.output import print_error, print_json, print_table, say
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.errors import EXIT_OK, EXIT_PARTIAL, FarmError, UsageError

if TYPE_CHECKING:
    from farm_converters.managed import Managed

UNUSED_DAYS = 30.0


@click.group(
    "env",
    epilog=examples(
        "farm env list",
        "farm env sync openvino",
        "farm env prune --yes",
    ),
)
def command() -> None:
    """List, build and remove the converters' environments."""


@command.command(
    "list",
    epilog=examples(
        "farm env list",
        "farm env list --json",
    ),
)
@json_option
@pass_state
def show(state: State) -> None:
    """Print each environment: what it is for, whether it is there, its size and its folder.

    State: ready (built), this Python (farm's own interpreter has exactly these packages), not built (made on
    first use), old (an earlier release's) or unfinished (its build was killed).
    """
    from farm_converters import managed, sandbox

    found = managed.survey(state.config.cache_dir)
    if state.json:
        alone = sandbox.network_is_left()
        rows = [_plain(each) for each in found]
        print_json({"schema": "farm.env/1", "network_is_left": alone, "environments": rows})
        return
    table = [
        (
            each.name,
            each.state + (", in use" if each.in_use else ""),
            _megabytes(each),
            each.about,
            _path(each),
        )
        for each in found
    ]
    print_table(("environment", "state", "MB", "for", "path"), table, align={"MB": "right"})
    if not sandbox.network_is_left():
        say("this kernel lets no process leave the network: conversions get a dead proxy address instead")


@command.command(
    epilog=examples(
        "farm env sync",
        "farm env sync openvino tflite",
        "farm env sync --from wheels",
    )
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--from",
    "wheels",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Install from this folder of wheels alone, without a network.",
)
@json_option
@pass_state
def sync(state: State, names: tuple[str, ...], wheels: Path | None) -> int:
    """Build environments now instead of on first use; repair those whose packages cannot be imported.

    NAME is an environment of `farm env list`; default: all. Exit code 3 when one could not be made.
    """
    from farm_converters import managed

    if wheels is not None:
        os.environ["FARM_WHEELS"] = str(wheels.absolute())
    done, failed = [], 0
    for name in managed.select(names):
        try:
            done.append(managed.sync(name, state.config.cache_dir, say))
        except FarmError as error:
            failed += 1
            print_error(error)
    if state.json:
        print_json({"schema": "farm.env/1", "environments": [_plain(each) for each in done]})
    else:
        print_table(("environment", "state", "MB"), [(e.name, e.state, _megabytes(e)) for e in done])
    return EXIT_PARTIAL if failed else EXIT_OK


@command.command(
    epilog=examples(
        "farm env prune",
        "farm env prune --yes --unused 7",
        "farm env prune --all --yes",
    )
)
@click.option("--all", "everything", is_flag=True, help="Remove every one that is not in use.")
@click.option(
    "--unused",
    "unused_days",
    type=click.FloatRange(min=0.0),
    default=UNUSED_DAYS,
    show_default=True,
    metavar="DAYS",
    help="Remove those that nobody used for so many days.",
)
@click.option("--yes", is_flag=True, help="Do not ask.")
@json_option
@pass_state
def prune(state: State, everything: bool, unused_days: float, yes: bool) -> int:
    """Remove environments of earlier releases, unfinished ones and those not used for a month.

    One that is in use stays. A removed one is built again when it is needed.
    """
    from farm_converters import managed

    chosen = managed.disposable(
        managed.survey(state.config.cache_dir), everything=everything, unused_days=unused_days
    )
    if chosen and not yes and not _agreed(chosen):
        return EXIT_OK
    freed: dict[str, int] = {}
    failed = 0
    for each in chosen:
        try:
            if each.path is not None:
                freed[each.path.name] = managed.remove(each.path, say)
        except FarmError as error:
            failed += 1
            print_error(error)
    if state.json:
        print_json({"schema": "farm.env-prune/1", "freed_bytes": freed})
    else:
        print_table(("removed", "MB"), [(name, f"{size / 1e6:.0f}") for name, size in freed.items()])
        say(f"{len(freed)} removed, {sum(freed.values()) / 1e6:.0f} MB freed")
    return EXIT_PARTIAL if failed else EXIT_OK


@command.command(
    epilog=examples(
        "farm env wheels offline",
        "farm env wheels offline openvino tflite",
    )
)
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.argument("names", nargs=-1, metavar="[NAME]...")
@json_option
@pass_state
def wheels(state: State, folder: Path, names: tuple[str, ...]) -> None:
    """Download what environments are made of into FOLDER, for a machine without a network.

    Take the folder there and run `farm env sync --from FOLDER`. It must be the same kind of machine and
    Python. NAME is an environment of `farm env list`; default: all.
    """
    from farm_converters import managed

    if state.config.offline:
        raise UsageError("farm is offline", code="env.offline", fix="run it where there is a network")
    count = managed.fetch_wheels(managed.select(names), folder, say)
    if state.json:
        print_json({"schema": "farm.wheels/1", "folder": str(folder), "wheels": count})
    else:
        say(f"{count} wheels in {folder}")


def _agreed(chosen: list[Managed]) -> bool:
    """Say what would go, and ask. Raises UsageError env.unconfirmed where nobody can answer."""
    total = sum(each.size_bytes for each in chosen)
    for each in chosen:
        say(f"{each.path} ({each.state}, {each.size_bytes / 1e6:.0f} MB)")
    if not sys.stdin.isatty():
        raise UsageError(
            f"{len(chosen)} environments of {total / 1e6:.0f} MB would be removed",
            code="env.unconfirmed",
            fix="say --yes",
        )
    return click.confirm(f"Remove {len(chosen)} environments and free {total / 1e6:.0f} MB?", err=True)


def _megabytes(each: Managed) -> str:
    return f"{each.size_bytes / 1e6:.0f}" if each.path else ""


def _path(each: Managed) -> str:
    return str(each.path or (sys.executable if each.state == "this Python" else ""))


def _plain(each: Managed) -> dict[str, object]:
    return {**vars(each), "path": _path(each) or None}
