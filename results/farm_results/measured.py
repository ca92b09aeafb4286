"""One measured process as the scenarios see it: its rows and what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from farm_agent.wire import BlockResult
from farm_results.samples import PAIR, Samples, Times, durations
from farm_results.statistics.stats import interval


@dataclass(frozen=True)
class Measured:
    """``rows``: int64 [n, len(columns)] in ns, ``calls`` inferences in each; ``point``: where on the
    scenario's curve this process lies; ``state``: what the scenario arranged before it."""

    rows: Samples
    name: str = "process"
    columns: tuple[str, ...] = PAIR
    calls: int = 1
    point: Mapping[str, str] = field(default_factory=dict)
    state: Mapping[str, str] = field(default_factory=dict)
    import_ns: int = 0
    load_ns: int = 0
    first_inference_ns: int = 0

    def column(self, name: str) -> Samples:
        """One column of the rows."""
        return self.rows[:, self.columns.index(name)]

    def latency_ns(self) -> Times:
        """Of each row, per inference, from its first time. Raises MeasurementError samples.*."""
        return durations(self.rows, self.name, self.columns, self.calls)

    def service_ns(self) -> Times:
        """Of each row, per inference, from its actual start."""
        return (self.column("end") - self.column("start")) / self.calls


def measured(block: BlockResult, rows: Samples) -> Measured:
    """A process's rows with what its result says of them."""
    return Measured(
        rows=rows,
        name=f"process {block.index}",
        columns=tuple(block.columns),
        calls=block.calls_per_sample,
        point=block.point,
        state=block.state,
        import_ns=block.import_ns,
        load_ns=block.load_ns,
        first_inference_ns=block.first_inference_ns,
    )


def over_processes(
    processes: Sequence[Measured], value: Callable[[Measured], float], name: str, unit: str
) -> dict[str, float]:
    """Metrics ``NAME_UNIT`` (median over the processes) and its exact order-statistic 95 % interval
    ``NAME_low_UNIT``, ``NAME_high_UNIT``, which needs six processes (``stats.interval``)."""
    values = np.sort(np.array([value(process) for process in processes], dtype=np.float64))
    metrics = {f"{name}_{unit}": float(np.median(values))}
    bounds = interval(values, 0.5)
    if bounds is not None:
        metrics[f"{name}_low_{unit}"], metrics[f"{name}_high_{unit}"] = bounds
    return metrics


def resident_share(state: Mapping[str, str]) -> float | None:
    """Share of a process's files that lay in the page cache before its import; None where nobody saw it."""
    try:
        share = float(state.get("page_cache_resident_share", ""))
    except ValueError:
        return None
    return share if 0.0 <= share <= 1.0 else None
