"""A timed block: warm up until steady, then keep every start and end. Knows no runtime and no sensor.

Rules follow protocol closed-loop: a floor of time and count, a cap of time. One clock throughout:
CLOCK_MONOTONIC, through a ``Loop``.
"""

from __future__ import annotations

import gc
import sys
from array import array
from dataclasses import dataclass
from typing import List, Sequence, Tuple

from farm_agent.loop import Loop
from farm_agent.wire import BlockPlan

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
    """One timed block. ``chunks`` hold rows of ``columns`` in order; ``ended``: floor or cap."""

    warmup: WarmUp
    chunks: List[array[int]]
    count: int
    ended: str
    columns: Tuple[str, ...] = ("start", "end")
    calls_per_sample: int = 1

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


def measure(loop: Loop, plan: BlockPlan) -> Block:
    """Warm up and time the loop's inference. The garbage collector is off meanwhile."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        warmup = warm_up(loop, plan)
        chunks, count, ended = timed(loop, plan)
    finally:
        if was_enabled:
            gc.enable()
    return Block(warmup, chunks, count, ended)


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


def timed(loop: Loop, plan: BlockPlan) -> Tuple[List[array[int]], int, str]:
    """The block itself: (chunks of pairs, count, floor or cap). At least one run."""
    chunks: List[array[int]] = []
    count = elapsed = 0
    begin = loop.now()
    while True:
        chunk = array("q", bytes(16 * CHUNK_RUNS))
        chunks.append(chunk)
        filled = 0
        while filled < CHUNK_RUNS:
            until = begin + (plan.min_time_ns if elapsed < plan.min_time_ns else plan.max_time_ns)
            wanted = min(CHUNK_RUNS - filled, MOST_RUNS - count)
            if elapsed >= plan.min_time_ns:
                wanted = min(wanted, max(1, plan.min_runs - count))
            done = loop.run(chunk, filled, wanted, until)
            filled += done
            count += done
            elapsed = chunk[2 * filled - 1] - begin
            if elapsed >= plan.min_time_ns and count >= plan.min_runs:
                return chunks, count, "floor"
            if elapsed >= plan.max_time_ns or count >= MOST_RUNS:
                return chunks, count, "cap"


def _quantile(ordered: Sequence[int], at: float) -> int:
    return ordered[min(len(ordered) - 1, int(at * len(ordered)))]


def _close(a: int, b: int, limit: float) -> bool:
    return abs(b - a) <= limit * max(a, 1)
