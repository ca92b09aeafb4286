"""A meter that says one value per question; the value counts for the middle of the exchange."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from farm_agent.messages.traces import Channel


@dataclass(frozen=True)
class Polled:
    """A Meter (see ``farm.power``) around one function that asks and parses."""

    channel: Channel
    interval_s: float
    ask: Callable[[], float]

    def read(self) -> Sequence[tuple[int, float]]:
        """One value. Raises what ``ask`` raises: MeterError."""
        began = time.monotonic_ns()
        value = self.ask()
        return (((began + time.monotonic_ns()) // 2, value),)

    def close(self) -> None:
        """Nothing stays open between questions."""
