"""Engines that the device built: how they were typed, how long it took, and how much two builds differ."""

from __future__ import annotations

import math
import statistics

from farm_agent.messages.build import BuildReport
from farm_agent.wire import JobResult
from farm_results.view import Line, pair

TYPED = {"strong": "strongly typed: the graph carries the types", "weak": "weakly typed: the builder chose"}


def lines(job: JobResult, width: int) -> list[Line]:
    """Nothing where nothing was built."""
    report = job.build
    if report is None or not report.engines:
        return []
    found = pair("typing", TYPED.get(report.typed, report.typed), width)
    seconds = ", ".join(f"{engine.seconds:.1f}" for engine in report.engines)
    reused = "; built for an earlier job and used again" if report.reused else ""
    found += pair("built in", f"{seconds} s{reused}", width)
    found += pair("fits", f"{report.device_class}, and nothing else", width)
    if report.layers:
        kinds = sorted(report.layers.items(), key=lambda item: -item[1])
        found += pair("layers", ", ".join(f"{count} {kind}" for kind, count in kinds), width)
    text = builds_text(report)
    return found + (pair("builds", text, width) if text else [])


def builds_text(report: BuildReport) -> str:
    """Medians of the short timings and their spread; "" for fewer than two that were timed."""
    told = [engine.latency_ns for engine in report.engines if engine.latency_ns is not None]
    timed = [latency for latency in told if math.isfinite(latency) and latency > 0]
    if len(timed) < 2:
        return ""
    spread = statistics.stdev(timed) / statistics.fmean(timed)
    shown = ", ".join(f"{latency / 1e6:.3f}" for latency in timed)
    return (
        f"{shown} ms: coefficient of variation {spread:.1%}, slowest {max(timed) / min(timed) - 1:.1%} above "
        f"the fastest; build {report.chosen + 1} was measured"
    )
