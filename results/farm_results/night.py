"""One night of measuring: what was planned, what was done, and what was left out and why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

RUNNING, DONE, INTERRUPTED = "running", "done", "interrupted"


@dataclass(frozen=True)
class Night:
    """``state``: running, done or interrupted. ``record``: JSON values, by whoever drives the night."""

    night_id: str
    started_unix_s: float
    state: str = RUNNING
    ended_unix_s: float | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    origin: str = ""
