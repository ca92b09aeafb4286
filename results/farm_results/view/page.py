"""The whole page of one result, and the same as a JSON document."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from farm_agent.wire import JobResult
from farm_results.model import Result
from farm_results.view import Line, device, engines, histogram, numbers, pair, raw, section, timeline
from farm_results.view.raw import Process

JSON_SLICES = 60
_STYLES = {"invalid": "bad", "throttled": "warn", "noisy": "warn"}


def page(
    result: Result, job: JobResult | None, processes: Sequence[Process], width: int, problem: str = ""
) -> list[Line]:
    """``problem``: why the raw samples cannot be shown, "" when they can.

    Raises MeasurementError samples.*.
    """
    found = numbers.header(result, width)
    chosen = raw.summarised(result, list(processes))
    found += section(result.scenario.capitalize(), numbers.scenario_lines(result, width))
    found += section("Numbers", numbers.lines(result, chosen, width))
    if problem:
        found += section("Samples", pair("missing", problem, width, "warn"))
    taken = [np.asarray(process.measured.latency_ns(), dtype=np.float64) for process in chosen]
    found += section("Histogram", histogram.lines(taken, width))
    found += section("Timeline", timeline.lines(processes, width))
    found += section("Outliers", device.outlier_lines(result, width))
    if job is not None and result.status == "ok":
        found += section("Engine", engines.lines(job, width))
        found += section("Memory", device.memory_lines(result, job, width))
        found += section("Conditions", device.proof_lines(result, job, width))
    return found + section("Verdict", _reasons(result, width))


def _reasons(result: Result, width: int) -> list[Line]:
    found = []
    for caveat in result.verdict.caveats:
        found += pair(caveat.severity, caveat.evidence, width, _STYLES.get(caveat.severity, ""))
        found += pair("", f"→ {caveat.next_step}  [{caveat.code}]", width, "dim")
    if not found and result.verdict.word:
        return pair(result.verdict.word, "nothing speaks against the number", width, "good")
    return found


def document(result: Result, processes: Sequence[Process], problem: str = "") -> dict[str, Any]:
    """The result's record with its histogram and timelines. Raises MeasurementError samples.*."""
    from farm_results.report.json import document_of

    record: dict[str, Any] = document_of([result])["results"][0]
    if processes:
        chosen = raw.summarised(result, list(processes))
        taken = np.concatenate([process.measured.latency_ns() for process in chosen])
        edges, counts = histogram.counts(taken.astype(np.float64))
        record["histogram"] = {"edges_ns": edges.tolist(), "counts": counts.tolist()}
        record["timeline"] = [
            {"process": number, "slices": JSON_SLICES, "p50_ns": timeline.slices(process, JSON_SLICES)}
            for number, process in enumerate(processes)
        ]
    if problem:
        record["samples_problem"] = problem
    return record
