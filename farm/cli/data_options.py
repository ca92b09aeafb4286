"""Options of several commands that say what accuracy is measured on, and how it is judged."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

F = Callable[..., Any]

_OPTIONS = (
    click.option(
        "--data",
        type=click.Path(path_type=Path),
        metavar="DIR|FILE",
        help="Samples to judge the outputs on: an .npz (:x=ARRAY,y=ARRAY), a folder by class, or a .csv.",
    ),
    click.option(
        "--metric",
        default="",
        metavar="NAME",
        help="top-1, top-5, f1, mae or FILE.py:FUNCTION; default: top-1 for classes, mae for values.",
    ),
)


def data_options(function: F) -> F:
    """Add the options; their values arrive as data, metric."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function
