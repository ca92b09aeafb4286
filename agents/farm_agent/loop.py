"""The timed loop itself: calls the bound inference n times and keeps every start and end.

Two harnesses do it: ``native`` (a C loop over the runtime's own entry point) and ``python`` (this file, over
a pre-bound callable). Both fill the same rows of int64 nanoseconds of CLOCK_MONOTONIC.
"""

from __future__ import annotations

import time
from array import array
from typing import Any, Callable, Sequence, Tuple

try:
    from typing import Protocol
except ImportError:  # pragma: no cover - Python 3.7 and older are refused at start
    Protocol = object  # type: ignore[assignment]

Clock = Callable[[], int]
CLOCK_NAME = "CLOCK_MONOTONIC"


class Loop(Protocol):
    """Runs the bound inference back to back.

    ``harness``: native or python; ``fallback``: why it is not native, "" when it is or was not asked for.
    ``step_ns``, ``cost_ns``: the clock's smallest step and the median cost of one read in this harness.
    """

    harness: str
    fallback: str
    step_ns: int
    cost_ns: int

    def run(self, rows: array[int], first: int, count: int, until_ns: int, calls: int = 1) -> int:
        """Write rows [first, first + count) as start,end pairs; returns how many were written.

        Ends early after the first row that ends at or after ``until_ns``. Each row times ``calls``
        inferences. Raises JobError ``runtime.*`` when an inference fails.
        """

    def now(self) -> int:
        """The loop's clock, in ns."""


class PythonLoop:
    """The pre-bound Python loop; ``call`` is one inference, ``clock`` returns ns."""

    harness = "python"

    def __init__(self, call: Callable[[], Any], fallback: str = "", clock: Clock = time.monotonic_ns) -> None:
        self._call = call
        self._clock = clock
        self.fallback = fallback
        self.step_ns, self.cost_ns = calibrate(clock)

    def run(self, rows: array[int], first: int, count: int, until_ns: int, calls: int = 1) -> int:
        call, clock = self._call, self._clock
        for index in range(2 * first, 2 * (first + count), 2):
            start = clock()
            for _ in range(calls):
                call()
            end = clock()
            rows[index] = start
            rows[index + 1] = end
            if end >= until_ns:
                return index // 2 - first + 1
        return count

    def now(self) -> int:
        return self._clock()


def calibrate(clock: Clock, reads: int = 2000) -> Tuple[int, int]:
    """The clock's smallest step seen and the median cost of one read, in ns."""
    times = array("q", bytes(8 * reads))
    for index in range(reads):
        times[index] = clock()
    return resolution(times)


def resolution(times: Sequence[int]) -> Tuple[int, int]:
    """The smallest step and the median distance of readings taken back to back, in ns."""
    steps = sorted(b - a for a, b in zip(times, times[1:]))
    moving = [step for step in steps if step > 0]
    return (moving[0] if moving else 0), (steps[len(steps) // 2] if steps else 0)
