"""Closed loop: the next inference begins when the last one ended."""

from __future__ import annotations

from typing import Any, Dict, List

from farm_agent import bench
from farm_agent.loop import Loop
from farm_agent.wire import JobSpec

NAME = "latency"


def points(spec: JobSpec) -> List[Dict[str, str]]:
    """As many fresh processes as the plan says."""
    return [{} for _ in range(spec.plan.blocks)]


def measure(loop: Loop, request: Any) -> bench.Block:  # noqa: ANN401 - block.BlockRequest
    """Warm up until steady, then time."""
    return bench.measure(loop, request.plan)
