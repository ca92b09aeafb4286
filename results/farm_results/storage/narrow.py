"""Which of several conditions on results a database should look up by index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_ORDER = ("run_id", "status", "device", "model", "runtime")
"""By the fewest rows that one value leaves: few results fail."""


def conditions(wanted: Mapping[str, str | None]) -> list[ColumnElement[bool]]:
    """One for each column that is asked for, of which only the one that leaves the fewest rows may go by its
    index: SQLite knows nothing of a year's rows, and would read a million ok ones to find those of a run."""
    from sqlalchemy import func

    from farm_results.storage.schema import RESULT

    given = {name: value for name, value in wanted.items() if value is not None}
    nearly_all = given.get("status") == "ok"
    order = sorted(_ORDER, key=lambda name: name == "status" and nearly_all)
    best = next((name for name in order if name in given), "")
    return [
        (RESULT.c[name] if name == best else func.coalesce(RESULT.c[name], "")) == value
        for name, value in given.items()
    ]
