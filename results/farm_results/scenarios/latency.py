"""Closed loop: the latency itself says everything."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farm_agent.wire import JobSpec
from farm_results.measured import Measured
from farm_results.model import Result
from farm_results.text import duration


def metrics(spec: JobSpec, processes: Sequence[Measured]) -> dict[str, float]:
    """None of its own."""
    del spec, processes
    return {}


def turn_ns(process: Measured) -> float:
    """The median of its runs."""
    return float(np.median(process.latency_ns()))


def columns(result: Result) -> list[tuple[str, str]]:
    """The latency's own."""
    del result
    return []


def headline(result: Result) -> str:
    """The median."""
    return f"p50 {duration(result.latency.p50_ns)}" if result.latency is not None else ""
