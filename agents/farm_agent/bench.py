"""A timed block: warm up until steady, then keep every start and end. Knows no runtime and no sensor.

Rules follow protocol closed-loop/v1: a floor of time, a floor of count and an interval of the median narrow
enough, or a cap of time. One clock throughout: CLOCK_MONOTONIC, through a ``Loop``. Until the floors are
reached nothing but the loop runs; the interval is then computed between two calls of it, every quarter of
a second, from counts in bins (``bench_interval``).

An inference of less than 200 times the cost of reading the clock is timed k at a time; so is one so short
that the time floor would take more than ``WISHED_ROWS`` rows.
"""

from __future__ import annotations

import gc
import sys
from array import array
from dataclasses import field
from typing import Dict, List, Optional, Sequence, Tuple

from farm_agent.bench_interval import Spread, spread_of
from farm_agent.late import dataclass
from farm_agent.loop import Loop
from farm_agent.wire import BlockPlan

CHUNK_ROWS = 65536
# 32 MB and 80 MB of pairs: what a block should and may need at most.
WISHED_ROWS = 2_000_000
MOST_ROWS = 5_000_000
# A duration below so many times the clock's cost says more about the clock.
CLOCK_COSTS = 200
CHECK_NS = 250_000_000
WINDOW_NS = 200_000_000
WINDOW_RUNS = 10
# A window of this age closes with whatever it has, so that slow models can be called steady, too.
OLD_WINDOW_NS = 2_000_000_000
# Enough for quartiles, and so little that it does not show in the memory of the process.
WINDOW_KEPT = 1024


@dataclass(frozen=True)
class WarmUp:
    """How the steady state was reached, or not (``steady`` False: gave up at the cap).

    ``median_ns``: of the last window, 0 when no window closed.
    """

    runs: int
    elapsed_ns: int
    steady: bool
    median_ns: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Block:
    """One timed block. ``chunks`` hold ``count`` rows of ``columns`` in order; ``spare_bytes``: memory of
    other buffers that the loop had at the same time.

    ``ended``, ``calls_per_sample``, ``ci_half_width``: as in BlockResult.
    """

    warmup: WarmUp
    chunks: List[array[int]]
    count: int
    ended: str
    columns: Tuple[str, ...] = ("start", "end")
    calls_per_sample: int = 1
    state: Dict[str, str] = field(default_factory=dict)
    ci_half_width: Optional[float] = None
    spare_bytes: int = 0

    @property
    def buffer_bytes(self) -> int:
        """Memory that the rows take in the measured process."""
        return sum(chunk.itemsize * len(chunk) for chunk in self.chunks) + self.spare_bytes

    def to_bytes(self) -> bytes:
        """All rows as little-endian int64."""
        parts = []
        left = self.count * len(self.columns)
        for chunk in self.chunks:
            part = chunk[: min(left, len(chunk))]
            if sys.byteorder == "big":
                part.byteswap()
            parts.append(part.tobytes())
            left -= len(part)
        return b"".join(parts)


@dataclass(frozen=True)
class Timed:
    """The rows of a block and how it ended."""

    chunks: List[array[int]]
    count: int
    ended: str
    ci_half_width: Optional[float]


def measure(loop: Loop, plan: BlockPlan) -> Block:
    """Warm up and time the loop's inference. The garbage collector is off meanwhile."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        warmup = warm_up(loop, plan)
        calls = calls_per_sample(warmup.median_ns, loop.cost_ns, plan.min_time_ns)
        done = timed(loop, plan, calls)
    finally:
        if was_enabled:
            gc.enable()
    return Block(
        warmup, done.chunks, done.count, done.ended, calls_per_sample=calls, ci_half_width=done.ci_half_width
    )


def calls_per_sample(median_ns: int, clock_cost_ns: int, min_time_ns: int) -> int:
    """How many inferences one row has to time so that neither the clock nor the rows' memory matters."""
    if median_ns <= 0:
        return 1
    for_clock = -(-CLOCK_COSTS * clock_cost_ns // median_ns)
    for_memory = -(-min_time_ns // (median_ns * WISHED_ROWS))
    return max(1, for_clock, for_memory)


def warm_up(loop: Loop, plan: BlockPlan) -> WarmUp:
    """Run until two neighbouring windows agree; give up at ``plan.warmup_max_ns`` with steady False.

    At least ``warmup_min_ns`` and ``warmup_min_runs``; a model too slow for that many runs gets half of
    ``warmup_max_ns``.
    """
    window = array("q", bytes(16 * WINDOW_KEPT))
    previous: List[int] = []
    runs = in_window = 0
    begin = opened = loop.now()
    while True:
        slot = in_window % WINDOW_KEPT
        runs_now = loop.run(window, slot, WINDOW_KEPT - slot, opened + WINDOW_NS)
        end = window[2 * (slot + runs_now) - 1]
        runs += runs_now
        in_window += runs_now
        elapsed, age = end - begin, end - opened
        if (age >= WINDOW_NS and in_window >= WINDOW_RUNS) or age >= OLD_WINDOW_NS:
            kept = min(in_window, WINDOW_KEPT)
            current = sorted(window[2 * index + 1] - window[2 * index] for index in range(kept))
            slow_enough = runs >= plan.warmup_min_runs or elapsed >= plan.warmup_max_ns // 2
            if elapsed >= plan.warmup_min_ns and slow_enough and agree(previous, current):
                return WarmUp(runs, elapsed, steady=True, median_ns=_quantile(current, 0.5))
            previous, in_window, opened = current, 0, end
        if elapsed >= plan.warmup_max_ns:
            kept = min(in_window, WINDOW_KEPT)
            last = previous or sorted(window[2 * at + 1] - window[2 * at] for at in range(kept))
            return WarmUp(runs, elapsed, steady=False, median_ns=_quantile(last, 0.5))


def agree(earlier: Sequence[int], later: Sequence[int]) -> bool:
    """Two sorted windows of durations: medians within 2 %, outer quartiles within 5 % (pyperf's rule)."""
    if not earlier or not later:
        return False
    limits = ((0.25, 0.05), (0.5, 0.02), (0.75, 0.05))
    return all(_close(_quantile(earlier, at), _quantile(later, at), limit) for at, limit in limits)


def timed(loop: Loop, plan: BlockPlan, calls: int = 1) -> Timed:
    """The block itself, ``calls`` inferences per row; at least one row."""
    chunks: List[array[int]] = []
    interval = _Interval(chunks)
    count = elapsed = 0
    begin = loop.now()
    while True:
        chunk = array("q", bytes(16 * CHUNK_ROWS))
        chunks.append(chunk)
        filled = 0
        while filled < CHUNK_ROWS:
            wanted = min(CHUNK_ROWS - filled, MOST_ROWS - count)
            missing = -(-(plan.min_runs - count * calls) // calls)
            if elapsed < plan.min_time_ns:
                until = plan.min_time_ns
            elif missing > 0:
                wanted, until = min(wanted, missing), plan.max_time_ns
            else:
                until = min(elapsed + CHECK_NS, plan.max_time_ns)
            done = loop.run(chunk, filled, wanted, begin + until, calls)
            filled += done
            count += done
            elapsed = chunk[2 * filled - 1] - begin
            floors = elapsed >= plan.min_time_ns and count * calls >= plan.min_runs
            if floors and plan.ci_half_width <= 0:
                return Timed(chunks, count, "floor", interval.half_width(count))
            if floors:
                reached = interval.half_width(count)
                if reached is not None and reached <= plan.ci_half_width:
                    return Timed(chunks, count, "ci", reached)
            if elapsed >= plan.max_time_ns or count >= MOST_ROWS:
                return Timed(chunks, count, "cap", interval.half_width(count))


class _Interval:
    """The interval of the median over growing chunks; each row is counted once, when somebody asks."""

    def __init__(self, chunks: List[array[int]]) -> None:
        self._chunks = chunks
        self._spread: Optional[Spread] = None

    def half_width(self, count: int) -> Optional[float]:
        """Of the first ``count`` rows."""
        if self._spread is None or self._spread.misplaced:
            self._spread = spread_of([(chunk, rows) for chunk, _, rows in self._slices(0, count)])
        else:
            for chunk, first, rows in self._slices(self._spread.count, count):
                self._spread.add(chunk, first, rows)
        return self._spread.half_width()

    def _slices(self, begin: int, end: int) -> List[Tuple[array[int], int, int]]:
        found = []
        for index, chunk in enumerate(self._chunks):
            first, stop = max(begin, index * CHUNK_ROWS), min(end, (index + 1) * CHUNK_ROWS)
            if first < stop:
                found.append((chunk, first - index * CHUNK_ROWS, stop - first))
        return found


def _quantile(ordered: Sequence[int], at: float) -> int:
    return ordered[min(len(ordered) - 1, int(at * len(ordered)))]


def _close(a: int, b: int, limit: float) -> bool:
    return abs(b - a) <= limit * max(a, 1)
