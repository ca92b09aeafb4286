"""From the samples of a scenario to its summary and metrics; one file per scenario, as in the agent.

A file must provide:

    metrics(spec, processes) -> dict[str, float]      the scenario's own numbers; every name begins with the
                                                      scenario's word and ends with its unit
    columns(result) -> list[(heading, text)]          what a table shows instead of the latency's columns;
                                                      every heading begins with the scenario's word; empty:
                                                      the latency says everything
    headline(result) -> str                           the one number, for a line of progress

and may provide:

    of_latency(spec, processes) -> the processes whose rows ``Result.latency`` summarises; default: all
    turn_ns(process) -> float                         the time of one process, for two that are measured in
                                                      turns; without it a scenario cannot be

``processes`` are ``measured.Measured``, in the order of the blocks.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_agent.wire import JobResult, JobSpec
from farm_results.measured import Measured, measured
from farm_results.model import Latency, Result
from farm_results.samples import read_samples
from farm_results.statistics.summary import summarise_durations


def names() -> tuple[str, ...]:
    """Every scenario that can be summarised, without importing any."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def summarise(
    spec: JobSpec, job: JobResult, files: Sequence[Path]
) -> tuple[Latency | None, dict[str, float]]:
    """Latency and metrics of a job; (None, {}) without samples. Raises MeasurementError samples.*.

    ``Result.latency`` of another scenario than ``latency`` means what that scenario says: its own times,
    never to be compared with a closed loop's.
    """
    if not files:
        return None, {}
    module = _module(spec.scenario)
    processes = [
        measured(block, read_samples(path, block.columns))
        for block, path in zip(job.blocks, files, strict=True)
    ]
    latency = summarise_durations([process.latency_ns() for process in of_latency(spec, processes)])
    return latency, dict(module.metrics(spec, processes))


def of_latency(spec: JobSpec, processes: Sequence[Measured]) -> Sequence[Measured]:
    """The processes whose rows ``Result.latency`` summarises. Raises JobError ``scenario.unknown``."""
    choose = getattr(_module(spec.scenario), "of_latency", None)
    chosen: Sequence[Measured] = processes if choose is None else choose(spec, processes)
    return chosen


def turn_ns(spec: JobSpec, process: Measured) -> float:
    """What one process of two that take turns says: a time, so that longer is slower in every scenario.

    Raises JobError ``scenario.unknown``, MeasurementError samples.*.
    """
    return float(_module(spec.scenario).turn_ns(process))


def columns(result: Result) -> list[tuple[str, str]]:
    """(heading, text) for a table; empty where the latency's own columns are right."""
    known = result.scenario in names() and result.status == "ok"
    return list(_module(result.scenario).columns(result)) if known else []


def headline(result: Result) -> str:
    """The scenario's number in a few words: ``paced p50 34.1 ms``; "" for a result without numbers."""
    known = result.scenario in names() and result.status == "ok" and result.latency is not None
    return str(_module(result.scenario).headline(result)) if known else ""


def _module(name: str) -> Any:  # noqa: ANN401 - a module with the functions above
    if name not in names():
        raise JobError(
            f"no scenario is called {name!r}; this farm knows {', '.join(names())}",
            code="scenario.unknown",
            fix="choose one of them with --scenario",
        )
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
