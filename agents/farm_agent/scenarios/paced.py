"""Fixed cadence: an inference is due every period, and its latency counts from when it was due.

The schedule is fixed before the first inference and never moves: one that is late does not push back those
behind it, they are served back to back until the backlog is gone (coordinated omission is what hides this).
The process sleeps until an inference is due and never spins: spinning would keep the core awake and its clock
high, which is just what differs between a camera's cadence and a closed loop. So the latency has the wake-up
in it, as a paced program has; the actual start stands beside the schedule in every row.
"""

from __future__ import annotations

import math
import time
from array import array
from typing import Any, Callable, Dict, List, Mapping, Tuple

from farm_agent import bench, quiet, scenarios
from farm_agent.loop import Loop
from farm_agent.wire import BlockPlan, JobSpec

NAME = "paced"
COLUMNS = ("scheduled", "start", "end")
PERIOD_NS = 33_333_333
LEAST_PERIOD_NS = 100_000
MOST_ROWS = 2_000_000
WINDOW_RUNS = 10
WINDOW_NS = 200_000_000
# The loop must not stop a single run early.
NEVER_NS = 2**62


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """As many fresh processes as the plan says."""
    cadence(spec.scenario_options, spec.plan)
    return [{} for _ in range(spec.plan.blocks)]


def cadence(options: Mapping[str, str], plan: BlockPlan) -> Tuple[int, int]:
    """(period in ns, number of scheduled inferences of one process).

    Options: ``period_ns``; ``duration_ns``, else the plan's least time and least runs. Raises JobError
    ``scenario.option``.
    """
    period_ns = scenarios.whole(options, "period_ns", PERIOD_NS, LEAST_PERIOD_NS)
    duration_ns = scenarios.whole(options, "duration_ns", max(1, plan.min_time_ns))
    least = 1 if "duration_ns" in options else plan.min_runs
    count = max(1, least, math.ceil(duration_ns / period_ns))
    if count > MOST_ROWS:
        raise scenarios.refuse(
            "period_ns", str(period_ns), f"so long that at most {MOST_ROWS} fit into the duration"
        )
    return period_ns, count


def span(options: Mapping[str, str], plan: BlockPlan) -> Tuple[int, int]:
    """(least, most) ns of one process's schedule. The plan's cap holds unless the schedule itself is longer:
    then a device that cannot keep up gets twice its length."""
    period_ns, count = cadence(options, plan)
    length_ns = period_ns * count
    return length_ns, plan.max_time_ns if length_ns <= plan.max_time_ns else 2 * length_ns


def measure(loop: Loop, request: Any) -> bench.Block:  # noqa: ANN401 - block.BlockRequest
    """Warm up at the cadence until steady, then serve the schedule."""
    return paced(loop, request.plan, request.scenario_options, time.sleep)


def paced(
    loop: Loop, plan: BlockPlan, options: Mapping[str, str], sleep: Callable[[float], None]
) -> bench.Block:
    """``measure`` with a clock and a sleep that a test may turn.

    ``ended``: runs, or cap when the plan's longest time was over before the schedule was served.
    """
    period_ns, count = cadence(options, plan)
    _, limit_ns = span(options, plan)
    rows = array("q", bytes(24 * count))
    with quiet.no_collection():
        warmup = warm_up(loop, plan, period_ns, sleep)
        begin = loop.now() + period_ns
        served = serve(loop, rows, count, begin, period_ns, limit_ns, sleep)
    ended = "runs" if served == count else "cap"
    state = {"scheduled": str(count), "period_ns": str(period_ns)}
    return bench.Block(warmup, [rows], served, ended, columns=COLUMNS, state=state)


def serve(
    loop: Loop,
    rows: array[int],
    count: int,
    begin: int,
    period_ns: int,
    limit_ns: int,
    sleep: Callable[[float], None],
) -> int:
    """Serve ``count`` schedules from ``begin`` on; how many were, before ``limit_ns`` were over."""
    one = array("q", bytes(16))
    for index in range(count):
        scheduled = begin + index * period_ns
        _wait(loop, scheduled, sleep)
        loop.run(one, 0, 1, NEVER_NS)
        rows[3 * index : 3 * index + 3] = array("q", (scheduled, one[0], one[1]))
        if one[1] - begin >= limit_ns:
            return index + 1
    return count


def warm_up(loop: Loop, plan: BlockPlan, period_ns: int, sleep: Callable[[float], None]) -> bench.WarmUp:
    """Serve windows of the cadence until the service times of two neighbouring ones agree (``bench.agree``);
    give up at ``plan.warmup_max_ns`` with steady False."""
    size = max(WINDOW_RUNS, math.ceil(WINDOW_NS / period_ns))
    window = array("q", bytes(24 * size))
    previous: List[int] = []
    runs = 0
    opened = loop.now()
    while True:
        left_ns = plan.warmup_max_ns - (loop.now() - opened)
        done = serve(loop, window, size, loop.now() + period_ns, period_ns, left_ns, sleep)
        runs += done
        elapsed = window[3 * done - 1] - opened
        current = sorted(window[3 * k + 2] - window[3 * k + 1] for k in range(done))
        enough = elapsed >= plan.warmup_min_ns and runs >= plan.warmup_min_runs
        if enough and done == size and bench.agree(previous, current):
            return bench.WarmUp(runs, elapsed, steady=True)
        if elapsed >= plan.warmup_max_ns:
            return bench.WarmUp(runs, elapsed, steady=False)
        previous = current


def _wait(loop: Loop, until_ns: int, sleep: Callable[[float], None]) -> None:
    """Sleep until the time has come; a sleep may end early."""
    while True:
        left_ns = until_ns - loop.now()
        if left_ns <= 0:
            return
        sleep(left_ns / 1e9)
