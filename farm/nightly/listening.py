"""A run's reporter that also tells the night of every result."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from farm.errors import FarmError

if TYPE_CHECKING:
    from farm.plan import Cell, Plan
    from farm.progress import Reporter
    from farm_results.model import Result


class Listening:
    """See ``farm.progress.Reporter``: everything goes on to another one."""

    def __init__(self, reporter: Reporter, ended: Callable[[Result], None]) -> None:
        self._reporter = reporter
        self._ended = ended

    def begin(self, plan: Plan) -> None:
        """Passed on."""
        self._reporter.begin(plan)

    def convert(self, cell: Cell, text: str) -> None:
        """Passed on."""
        self._reporter.convert(cell, text)

    def stage(self, cell: Cell, text: str, done: float) -> None:
        """Passed on."""
        self._reporter.stage(cell, text, done)

    def end(self, cell: Cell, result: Result) -> None:
        """Told to both. The night hears of it again from the store, where it cannot be written down now."""
        self._reporter.end(cell, result)
        try:
            self._ended(result)
        except FarmError as error:
            self._reporter.note(f"{result.job_id}: the night's record has to wait: {error.message}")

    def note(self, text: str) -> None:
        """Passed on."""
        self._reporter.note(text)

    def close(self) -> None:
        """Passed on."""
        self._reporter.close()
