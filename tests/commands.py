"""Command lines in pages and examples: whether they would be understood, without running any."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator

import click

import farm.cli
from farm.cli.lazy import globals_first


def commands(text: str) -> Iterator[list[str]]:
    """The words behind ``farm`` of each line of a shell script; three blanks end a command, as in help."""
    for line in text.replace("\\\n", " ").splitlines():
        if not re.match(r"(\S*bin/)?farm [a-z-]", line):
            continue
        for command in re.split(r" (?:&&|\|\|?|>>?) |;", re.split(r" {3,}", line)[0]):
            words = shlex.split(command, comments=True)
            if words and words[0].endswith("farm"):
                yield words[1:]


def parse(words: list[str]) -> None:
    """As far as the parser goes: commands and options are there, each option has its value.

    Raises click.UsageError.
    """
    command: click.Command | None = farm.cli.group
    context, words = None, globals_first(words)
    while command is not None:
        context = click.Context(command, parent=context, **command.context_settings)
        _, rest, _ = command.make_parser(context).parse_args(words)
        if not isinstance(command, click.Group) or not rest:
            return
        command, words = command.get_command(context, rest[0]), rest[1:]
        if command is None:
            raise click.UsageError(f"there is no command {rest[0]}", context)
