"""Minutes back to back, from cold: no warm-up, every row kept, so that bins of 10 s show what heat does."""

from __future__ import annotations

from array import array
from typing import Any, Dict, List, Mapping, Tuple

from farm_agent import bench, quiet, scenarios
from farm_agent.loop import Loop
from farm_agent.wire import JobSpec

NAME = "sustained"
DURATION_NS = 600_000_000_000
BIN_NS = 10_000_000_000
PILOT_RUNS = 5
PILOT_NS = 20_000_000


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """As many fresh processes as the plan says; one by default."""
    lengths(spec.scenario_options)
    return [{} for _ in range(spec.plan.blocks)]


def lengths(options: Mapping[str, str]) -> Tuple[int, int]:
    """(duration, length of a bin) in ns; at least two bins. Raises JobError ``scenario.option``."""
    duration_ns = scenarios.whole(options, "duration_ns", DURATION_NS)
    bin_ns = scenarios.whole(options, "bin_ns", BIN_NS)
    if duration_ns < 2 * bin_ns:
        raise scenarios.refuse("duration_ns", str(duration_ns), f"at least two bins of {bin_ns} ns")
    return duration_ns, bin_ns


def measure(loop: Loop, request: Any) -> bench.Block:  # noqa: ANN401 - block.BlockRequest
    """Run for the whole duration; the rows begin a few runs after the first inference."""
    duration_ns, _ = lengths(request.scenario_options)
    with quiet.no_collection():
        begin = loop.now()
        calls, tried = calls_per_row(loop, duration_ns)
        warmup = bench.WarmUp(tried, loop.now() - begin, steady=True)
        chunks, count = run(loop, duration_ns, calls)
    return bench.Block(warmup, chunks, count, "runs", calls_per_sample=calls)


def calls_per_row(loop: Loop, duration_ns: int) -> Tuple[int, int]:
    """(inferences per row, inferences tried to find out), by the block's rule for the whole duration. The
    trial is too short to warm anything but caches."""
    trial = array("q", bytes(16 * 1024))
    tried = loop.run(trial, 0, PILOT_RUNS, loop.now() + PILOT_NS)
    until = trial[0] + PILOT_NS
    while trial[2 * tried - 1] < until and tried < len(trial) // 2:
        tried += loop.run(trial, tried, len(trial) // 2 - tried, until)
    fastest = max(1, min(trial[2 * k + 1] - trial[2 * k] for k in range(tried)))
    return bench.calls_per_sample(fastest, loop.cost_ns, duration_ns), tried


def run(loop: Loop, duration_ns: int, calls: int) -> Tuple[List[array[int]], int]:
    """(chunks of pairs, number of rows) of ``duration_ns`` from the first start on, without a pause."""
    chunk = array("q", bytes(16 * bench.CHUNK_ROWS))
    chunks = [chunk]
    filled = count = loop.run(chunk, 0, 1, 0, calls)
    until = chunk[0] + duration_ns
    if chunk[1] >= until:
        return chunks, count
    while True:
        while filled < bench.CHUNK_ROWS:
            done = loop.run(chunk, filled, bench.CHUNK_ROWS - filled, until, calls)
            filled += done
            count += done
            if chunk[2 * filled - 1] >= until:
                return chunks, count
        chunk = array("q", bytes(16 * bench.CHUNK_ROWS))
        chunks.append(chunk)
        filled = 0
