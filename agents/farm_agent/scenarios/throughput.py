"""Streams at a time: inferences per second and latency at each number of streams.

A job has one artifact (so one batch) and one number of threads per session; it is one curve over the streams.
"""

from __future__ import annotations

import os
from typing import Any, Dict, List

from farm_agent import bench, quiet, scenarios, streams
from farm_agent.errors import JobError
from farm_agent.loop import Loop
from farm_agent.wire import JobSpec

NAME = "throughput"


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """A process per number of streams, then all again: what drifts drifts over the whole curve."""
    scenarios.whole(spec.scenario_options, "batch", 1)
    counts = scenarios.wholes(spec.scenario_options, "streams", high=256)
    return [
        {"streams": str(count)}
        for _ in range(spec.plan.blocks)
        for count in counts or default_streams(os.cpu_count() or 1)
    ]


def default_streams(cores: int) -> List[int]:
    """1, 2, 4 and so on up to the number of cores, and that number itself."""
    return sorted({1 << k for k in range(cores.bit_length()) if 1 << k <= cores} | {max(1, cores)})


def measure(loop: Loop, request: Any) -> bench.Block:  # noqa: ANN401 - block.BlockRequest
    """Open the other streams' sessions, warm up all together, and time all together."""
    wanted = scenarios.whole(request.point, "streams", 1, high=256)
    opened = [streams.open_loop(request) for _ in range(wanted - 1)]
    loops = [loop, *(other for _, other in opened)]
    kinds = {one.harness for one in loops}
    if len(kinds) > 1:
        raise JobError(
            "the streams cannot all be timed in the same way: {}".format(" and ".join(sorted(kinds))),
            code="scenario.streams",
            fix="measure with --harness python",
        )
    with quiet.no_collection():
        return streams.measure(loops, request.plan)
