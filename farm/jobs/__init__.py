"""Jobs that outlive their driver: what is written down of them, and how another driver ends them.

What the rest of farm calls is in ``rows`` (``begin``, ``started``, ``done``, ``ended``, ``forget``,
``unfinished``), which needs the database's library; it is imported on use.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from farm.jobs.rows import JobRow, begin, done, ended, forget, started, unfinished

__all__ = ["JobRow", "begin", "done", "ended", "forget", "started", "unfinished"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever rows has
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module("farm.jobs.rows"), name)
