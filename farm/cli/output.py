"""How the command line speaks: data on standard output, messages on standard error.

A terminal gets a table, a pipe gets tab-separated values, ``--json`` gets one document. Text may come
from models and devices, so control characters never reach the terminal as such.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TextIO

import click

from farm.cli.state import State
from farm.errors import FarmError

_CONTROL = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))}
MOST_IN_A_CELL = 4000
"""On a terminal; a name of a megabyte is a page of it already. A pipe gets whole values."""


def printable(text: str) -> str:
    """``text`` on one line: control characters, line ends among them, as ``\\xNN``; what is not to be seen or
    turns the direction of writing, so that one name looks like another, as ``\\uNNNN``."""
    text = text.translate(_CONTROL)
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() or char.isspace() else _spelled(char) for char in text)


def _spelled(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


def _cell(text: str) -> str:
    cut = text if len(text) <= MOST_IN_A_CELL else text[: MOST_IN_A_CELL - 1] + "…"
    return printable(cut)


def print_table(
    columns: Sequence[str],
    rows: Sequence[Sequence[str]],
    *,
    title: str = "",
    align: Mapping[str, str] | None = None,
) -> None:
    """Print rows: a table on a terminal, else TSV with a header line and whole values.

    ``align`` maps a column to "left", "right" or "center".
    """
    if sys.stdout.isatty():
        from farm.cli.table import print_fitting

        print_fitting(columns, [[_cell(cell) for cell in row] for row in rows], printable(title), align or {})
        return
    for row in (columns, *rows):
        sys.stdout.write("\t".join(printable(cell) for cell in row) + "\n")


def print_json(value: object) -> None:
    """Print one JSON document; NaN and infinity are refused because JSON has none."""
    sys.stdout.write(json.dumps(value, indent=2, sort_keys=False, allow_nan=False) + "\n")


def print_text(text: str) -> None:
    """Print data that are already laid out (CSV, Markdown) on standard output."""
    sys.stdout.write(text if text.endswith("\n") else text + "\n")


def say(text: str) -> None:
    """Tell the user something on standard error, unless ``--quiet`` was given."""
    if not is_quiet():
        sys.stderr.write(_clean(text) + "\n")


def say_sentence(text: str) -> None:
    """``say``, wrapped between words and indented where standard error is a terminal."""
    if sys.stderr.isatty():
        width = shutil.get_terminal_size().columns
        lines = textwrap.wrap(
            text, width, subsequent_indent="       ", break_long_words=False, break_on_hyphens=False
        )
        text = "\n".join(lines)
    say(text)


def is_quiet() -> bool:
    """Whether ``--quiet`` was given."""
    context = click.get_current_context(silent=True)
    state = context.find_object(State) if context is not None else None
    return state is not None and state.quiet


def print_error(error: FarmError) -> None:
    """Print what went wrong and what to do about it on standard error."""
    print_problem(error.code, error.message, error.fix)


def print_problem(code: str, message: str, fix: str = "") -> None:
    """Print ``error[code]: message`` and, if there is one, ``  fix: ...`` on standard error."""
    head = f"error[{code}]:"
    sys.stderr.write(f"{_paint(head, 'red', sys.stderr)} {_clean(message)}\n")
    if fix:
        sys.stderr.write(f"  {_paint('fix:', 'green', sys.stderr)} {_clean(_installing(fix))}\n")


def _installing(fix: str) -> str:
    """The same, for the Python that runs farm: an extra that another one gets helps nobody."""
    if not fix.startswith("pip install 'edgefarm["):
        return fix
    folder = Path(sys.prefix, "bin")
    if not (folder / "pip").exists():
        uv = folder / "uv" if (folder / "uv").exists() else "uv"
        python = f"install --python {shlex.quote(sys.executable)}"
        return f"{shlex.quote(str(uv))} {fix.replace('install', python, 1)}"
    return fix if shutil.which("pip") == str(folder / "pip") else f"{shlex.quote(str(folder))}/{fix}"


def _clean(text: str) -> str:
    return "\n".join(printable(line) for line in text.split("\n"))


def colours(stream: TextIO) -> bool:
    """Whether to paint what goes there: a terminal, unless NO_COLOR; anything with FORCE_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()


def _paint(text: str, colour: str, stream: TextIO) -> str:
    return click.style(text, fg=colour, bold=True) if colours(stream) else text
