"""``farm version``."""

from __future__ import annotations

import platform

import click

from farm.cli.output import print_json, print_text
from farm.cli.state import State, json_option, pass_state
from farm.cli.types import examples
from farm.version import __version__


@click.command(
    epilog=examples(
        "farm version",
        "farm version --json",
    )
)
@json_option
@pass_state
def command(state: State) -> None:
    """Print the versions of farm and of its Python."""
    if state.json:
        print_json(
            {"farm": __version__, "python": platform.python_version(), "platform": platform.platform()}
        )
    else:
        print_text(f"farm {__version__} (Python {platform.python_version()})")
