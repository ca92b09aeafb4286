"""From the samples of a scenario to its summary and metrics; one file per scenario, as in the agent.

A file must provide ``metrics(spec, job, samples) -> dict[str, float]``: the scenario's own numbers, with
units in their names; ``samples`` are int64 arrays [n, columns], one per block.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Sequence
from pathlib import Path

from farm_agent.wire import JobResult, JobSpec
from farm_results.model import Latency
from farm_results.summary import read_samples
from farm_results.summary import summarise as summarise_samples


def names() -> tuple[str, ...]:
    """Every scenario that can be summarised, without importing any."""
    return tuple(sorted(module.name.replace("_", "-") for module in pkgutil.iter_modules(__path__)))


def summarise(
    spec: JobSpec, job: JobResult, files: Sequence[Path]
) -> tuple[Latency | None, dict[str, float]]:
    """Latency and metrics of a job; (None, {}) without samples. Raises MeasurementError samples.*."""
    samples = [read_samples(path) for path in files]
    if not samples:
        return None, {}
    module = importlib.import_module(f"{__name__}.{spec.scenario.replace('-', '_')}")
    return summarise_samples(samples), module.metrics(spec, job, samples)
