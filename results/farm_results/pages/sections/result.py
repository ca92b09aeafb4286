"""Everything that is known of one result, as pairs, tables and charts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from farm_agent.errors import FarmError
from farm_agent.wire import JobResult
from farm_results.layers import layer_lines, profile_of
from farm_results.model import Caveat, Result
from farm_results.pages.chart import Chart
from farm_results.pages.charts import ecdf, histogram, layers, timeline
from farm_results.pages.grid import Grid, grid
from farm_results.pages.marks import Marks, marks_of
from farm_results.pages.sections import origin
from farm_results.view import LABEL, Line, device, engines, numbers, raw
from farm_results.view.raw import Process

Pairs = list[tuple[str, str]]
# Wider than anything that is wrapped to it.
_WIDE = 1_000_000
FULL, BRIEF, PLAIN = 240, 80, 0
"""Slices of a timeline: as fine as a screen, coarser where a page holds many, and no charts at all."""


@dataclass(frozen=True)
class Group:
    """A heading with its pairs."""

    heading: str
    pairs: Pairs


@dataclass(frozen=True)
class Detail:
    """One result's part of a page. ``problem``: why its raw samples cannot be shown."""

    anchor: str
    title: str
    marks: Marks
    how: str
    result: Result
    caveats: tuple[Caveat, ...] = ()
    groups: tuple[Group, ...] = ()
    memory: Grid | None = None
    charts: tuple[Chart, ...] = ()
    layer_lines: tuple[str, ...] = ()
    layer_chart: Chart | None = None
    problem: str = ""
    commands: tuple[str, ...] = ()
    extra: tuple[Chart, ...] = field(default=())


def detail(
    result: Result,
    processes: Sequence[Process],
    problem: str = "",
    *,
    anchor: str = "r0",
    slices: int = FULL,
    extra: Sequence[Chart] = (),
) -> Detail:
    """``slices``: FULL, BRIEF or PLAIN. ``extra``: charts of its comparison with another result."""
    try:
        job = raw.job_of(result)
    except FarmError as error:
        job, problem = None, problem or error.message
    head = numbers.header(result, _WIDE)
    profile = profile_of(result)
    drawn = charts(result, processes, anchor, slices) if slices else []
    return Detail(
        anchor=anchor,
        title=head[0].text,
        marks=marks_of(result),
        how=head[1].text,
        result=result,
        caveats=result.verdict.caveats,
        groups=tuple(group for group in _groups(result, job, processes) if group.pairs),
        memory=_memory(job) if result.status == "ok" else None,
        charts=tuple(drawn),
        layer_lines=tuple(layer_lines(result)),
        layer_chart=layers.treemap(profile, name=f"{anchor}-layers")
        if profile is not None and profile.layers and slices
        else None,
        problem=problem,
        commands=tuple(origin.commands_of(result)),
        extra=tuple(extra),
    )


def charts(result: Result, processes: Sequence[Process], anchor: str, slices: int = FULL) -> list[Chart]:
    """Histogram, shares and timeline of the raw samples; nothing without any."""
    if not processes:
        return []
    chosen = raw.summarised(result, list(processes))
    taken = [np.asarray(process.measured.latency_ns(), dtype=np.float64) for process in chosen]
    taken = [one for one in taken if len(one)]
    if not taken:
        return []
    steps = max(40, min(ecdf.MOST_STEPS, slices // 2))
    return [
        histogram.chart(taken, name=f"{anchor}-histogram"),
        ecdf.chart(taken, name=f"{anchor}-ecdf", most=steps),
        timeline.chart(processes, name=f"{anchor}-timeline", slices=slices),
    ]


def pairs_of(lines: Sequence[Line]) -> Pairs:
    """The terminal's pairs of a label and its value; a value without a label goes on with the one above."""
    found: Pairs = []
    for line in lines:
        label, value = line.text[:LABEL], line.text[LABEL:].strip()
        if line.text[LABEL - 1 : LABEL].strip():
            label, value = line.text, ""  # a long label has a line of its own
        if label.strip():
            found.append((label.strip(), value))
        elif found:
            found[-1] = (found[-1][0], " ".join(filter(None, (found[-1][1], value))))
    return found


def _groups(result: Result, job: JobResult | None, processes: Sequence[Process]) -> list[Group]:
    chosen = raw.summarised(result, list(processes)) if processes else []
    found = [
        Group(result.scenario.capitalize(), pairs_of(numbers.scenario_lines(result, _WIDE))),
        Group("Numbers", pairs_of(numbers.lines(result, chosen, _WIDE))),
        Group("Outliers", pairs_of(device.outlier_lines(result, _WIDE))),
    ]
    if job is not None and result.status == "ok":
        found.append(Group("Engine", pairs_of(engines.lines(job, _WIDE))))
        found.append(Group("Conditions", pairs_of(device.proof_lines(result, job, _WIDE))))
    found.append(Group("Conversion and check", origin.conversion(result)))
    found.append(Group("Device and toolchain", origin.environment(result)))
    return found


def _memory(job: JobResult | None) -> Grid | None:
    """The first process, phase by phase."""
    if job is None or not job.blocks or not job.blocks[0].memory:
        return None
    columns = {"phase": "text"} | dict.fromkeys(("RSS", "peak", "PSS", "USS"), "bytes")
    rows = [
        (phase.phase, phase.rss_bytes, phase.peak_rss_bytes, phase.pss_bytes, phase.uss_bytes)
        for phase in job.blocks[0].memory
    ]
    return grid(columns, rows)
