"""The timed loop: warm up until steady, then keep every start and end. Knows no runtime and no sensor.

Rules follow protocol closed-loop: a floor of time and count, a cap of time. One clock throughout:
CLOCK_MONOTONIC through time.monotonic_ns.
"""

from __future__ import annotations

import gc
import sys
import time
from array import array
from dataclasses import dataclass
from typing import Callable, List, Sequence, Tuple

from farm_agent.wire import BlockPlan

Clock = Callable[[], int]
CLOCK_NAME = "CLOCK_MONOTONIC"
CHUNK_RUNS = 65536
MOST_RUNS = 5_000_000
WINDOW_NS = 200_000_000
WINDOW_RUNS = 10
# A window of this age closes with whatever it has, so that slow models can be called steady, too.
OLD_WINDOW_NS = 2_000_000_000
# Enough for quartiles, and so little that it does not show in the memory of the process.
WINDOW_KEPT = 1024


@dataclass(frozen=True)
class WarmUp:
    """How the steady state was reached, or not (``steady`` False: gave up at the cap)."""

    runs: int
    elapsed_ns: int
    steady: bool


@dataclass(frozen=True)
class Block:
    """One timed block. ``chunks`` hold start,end pairs in order; ``ended``: floor or cap."""

    warmup: WarmUp
    chunks: List[array[int]]
    count: int
    ended: str
    timer_step_ns: int
    timer_cost_ns: int

    def to_bytes(self) -> bytes:
        """All pairs as little-endian int64."""
        parts = []
        left = self.count * 2
        for chunk in self.chunks:
            part = chunk[: min(left, len(chunk))]
            if sys.byteorder == "big":
                part.byteswap()
            parts.append(part.tobytes())
            left -= len(part)
        return b"".join(parts)


def measure(call: Callable[[], object], plan: BlockPlan, clock: Clock = time.monotonic_ns) -> Block:
    """Warm up and time ``call``. The garbage collector is off meanwhile."""
    step_ns, cost_ns = calibrate(clock)
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        warmup = warm_up(call, plan, clock)
        chunks, count, ended = timed(call, plan, clock)
    finally:
        if was_enabled:
            gc.enable()
    return Block(warmup, chunks, count, ended, step_ns, cost_ns)


def calibrate(clock: Clock, reads: int = 2000) -> Tuple[int, int]:
    """The clock's smallest step seen and the median cost of one read, in ns."""
    times = array("q", bytes(8 * reads))
    for index in range(reads):
        times[index] = clock()
    steps = sorted(b - a for a, b in zip(times, times[1:]))
    moving = [step for step in steps if step > 0]
    return (moving[0] if moving else 0), (steps[len(steps) // 2] if steps else 0)


def warm_up(call: Callable[[], object], plan: BlockPlan, clock: Clock) -> WarmUp:
    """Run until two neighbouring windows agree; give up at ``plan.warmup_max_ns`` with steady False.

    At least ``warmup_min_ns`` and ``warmup_min_runs``; a model too slow for that many runs gets half of
    ``warmup_max_ns``.
    """
    window = array("q", bytes(8 * WINDOW_KEPT))
    previous: List[int] = []
    runs = in_window = 0
    begin = opened = clock()
    while True:
        start = clock()
        call()
        end = clock()
        window[in_window % WINDOW_KEPT] = end - start
        runs += 1
        in_window += 1
        elapsed, age = end - begin, end - opened
        if (age >= WINDOW_NS and in_window >= WINDOW_RUNS) or age >= OLD_WINDOW_NS:
            current = sorted(window[: min(in_window, WINDOW_KEPT)])
            slow_enough = runs >= plan.warmup_min_runs or elapsed >= plan.warmup_max_ns // 2
            if elapsed >= plan.warmup_min_ns and slow_enough and agree(previous, current):
                return WarmUp(runs, elapsed, steady=True)
            previous, in_window, opened = current, 0, end
        if elapsed >= plan.warmup_max_ns:
            return WarmUp(runs, elapsed, steady=False)


def agree(earlier: Sequence[int], later: Sequence[int]) -> bool:
    """Two sorted windows of durations: medians within 2 %, outer quartiles within 5 % (pyperf's rule)."""
    if not earlier or not later:
        return False
    limits = ((0.25, 0.05), (0.5, 0.02), (0.75, 0.05))
    return all(_close(_quantile(earlier, at), _quantile(later, at), limit) for at, limit in limits)


def timed(call: Callable[[], object], plan: BlockPlan, clock: Clock) -> Tuple[List[array[int]], int, str]:
    """The block itself: (chunks of pairs, count, floor or cap). At least one run."""
    chunks: List[array[int]] = []
    count = 0
    begin = clock()
    while True:
        chunk = array("q", bytes(16 * CHUNK_RUNS))
        chunks.append(chunk)
        for index in range(0, 2 * CHUNK_RUNS, 2):
            start = clock()
            call()
            end = clock()
            chunk[index] = start
            chunk[index + 1] = end
            count += 1
            elapsed = end - begin
            if elapsed >= plan.min_time_ns and count >= plan.min_runs:
                return chunks, count, "floor"
            if elapsed >= plan.max_time_ns or count >= MOST_RUNS:
                return chunks, count, "cap"


def _quantile(ordered: Sequence[int], at: float) -> int:
    return ordered[min(len(ordered) - 1, int(at * len(ordered)))]


def _close(a: int, b: int, limit: float) -> bool:
    return abs(b - a) <= limit * max(a, 1)
