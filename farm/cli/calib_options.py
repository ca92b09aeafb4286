"""Options of several commands that say how to quantise: samples to calibrate with, what stays in floats."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from farm.cli.types import CommaList, list_option

F = Callable[..., Any]

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
        kind=CommaList(),
        metavar="NODE",
        text="Nodes that stay in floats: names, globs, op:TYPE; farm sensitivity lists them. Repeatable.",
    ),
)


def calib_options(function: F) -> F:
    """Add the options; their values arrive as calib, calib_random, preprocess, exclude."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
