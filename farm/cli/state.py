"""What the global options decided, handed to every command as ``ctx.obj``."""

from __future__ import annotations

from dataclasses import dataclass, replace

import click

from farm.config import Config


@dataclass(frozen=True)
class State:
    """Settings and manner of speaking of one invocation. ``verbose`` counts the ``-v``."""

    config: Config
    json: bool = False
    quiet: bool = False
    verbose: int = 0


pass_state = click.make_pass_decorator(State)


def _switch_to_json(context: click.Context, _parameter: click.Parameter, value: bool) -> None:
    state = context.find_object(State)
    if value and state is not None:
        context.obj = replace(state, json=True)


json_option = click.option(
    "--json",
    is_flag=True,
    expose_value=False,
    callback=_switch_to_json,
    help="Print one JSON document on standard output.",
)
"""Decorator: lets a command accept ``--json`` itself, besides ``farm --json COMMAND``."""
