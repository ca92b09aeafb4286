"""Options of several commands that say how to quantise: samples to calibrate with, what stays in floats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from farm.cli.types import CommaList, list_option

F = Callable[..., Any]

MAX_LIST_CHARACTERS = 1 << 20


class NodeList(CommaList):
    """``a,b``; or ``@FILE`` with a name on each line, for names that hold commas or blanks."""

    name = "nodes"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> tuple[str, ...]:
        """The names; blank lines and lines that begin with # are skipped."""
        if not isinstance(value, str) or not value.startswith("@"):
            return super().convert(value, param, ctx)
        path = Path(value[1:])
        try:
            with path.open(encoding="utf-8") as file:
                text = file.read(MAX_LIST_CHARACTERS + 1)
        except (OSError, UnicodeDecodeError) as error:
            self.fail(f"{path} cannot be read: {error}", param, ctx)
        if len(text) > MAX_LIST_CHARACTERS:
            self.fail(
                f"{path} is longer than any list of nodes ({MAX_LIST_CHARACTERS} characters)", param, ctx
            )
        lines = [line.strip() for line in text.splitlines()]
        return tuple(line for line in lines if line and not line.startswith("#"))


_OPTIONS = (
    click.option(
        "--calib",
        type=click.Path(path_type=Path),
        metavar="DIR|FILE",
        help="Samples that int8 learns its ranges from: an .npz, a folder or a .csv, as for --data.",
    ),
    click.option(
        "--calib-random",
        type=click.IntRange(1, 4096),
        metavar="N",
        help="So many random samples instead: for a trial of speed; the outputs mean nothing.",
    ),
    click.option(
        "--preprocess",
        default="",
        metavar="NAME",
        help="What is done to the samples before the model sees them: see docs/accuracy.md.",
    ),
    list_option(
        "--exclude",
        kind=NodeList(),
        metavar="NODE|@FILE",
        text="Nodes that stay in floats: names, globs, op:TYPE; farm sensitivity lists them. Repeatable.",
    ),
)


def calib_options(function: F) -> F:
    """Add the options; their values arrive as calib, calib_random, preprocess, exclude."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
