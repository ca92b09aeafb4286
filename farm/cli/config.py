"""``farm config``: the settings in force."""

from __future__ import annotations

import click

from farm.cli.output import print_json, print_table
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.config import NAMES, masked


@click.group(
    "config",
    invoke_without_command=True,
    epilog=examples(
        "farm config",
        "farm config show --origin",
        "FARM_OFFLINE=1 farm config --json",
    ),
)
@click.pass_context
def command(context: click.Context) -> None:
    """Show the settings in force and where each came from."""
    if context.invoked_subcommand is None:
        context.invoke(show, origin=False)


@command.command(
    epilog=examples(
        "farm config show",
        "farm config show --origin",
    )
)
@click.option("--origin", is_flag=True, help="Say where each value came from.")
@json_option
@pass_state
def show(state: State, origin: bool) -> None:
    """Print every setting.

    Precedence: flag, FARM_* in the environment, farm.toml or [tool.farm] in pyproject.toml of the working
    directory, the user's config.toml, default.
    """
    config = state.config
    if state.json:
        values = {name: _plain(getattr(config, name)) for name in NAMES}
        origins = {name: config.origin(name) for name in NAMES}
        print_json({"schema": "farm.config/1", **values, "origin": origins})
        return
    columns = ("setting", "value", "origin") if origin else ("setting", "value")
    rows = [(name, _word(getattr(config, name)), config.origin(name))[: len(columns)] for name in NAMES]
    print_table(columns, rows)


def _plain(value: object) -> object:
    return value if isinstance(value, bool) else masked(str(value))


def _word(value: object) -> str:
    return str(_plain(value)).lower() if isinstance(value, bool) else str(_plain(value))
