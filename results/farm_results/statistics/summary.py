"""From raw samples to a ``Latency``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from farm_agent.errors import MeasurementError
from farm_results.model import Latency
from farm_results.samples import Times, durations, read_samples
from farm_results.statistics.stats import interval, mad, quantile_or_none, trend

__all__ = ["read_samples", "summarise", "summarise_durations"]

PERCENTILES = {"p5": 0.05, "p90": 0.90, "p95": 0.95, "p99": 0.99, "p99_9": 0.999}


def summarise(samples_by_block: Sequence[Any]) -> Latency:
    """``summarise_durations`` of closed-loop samples: one [n, 2] array (start, end in ns) per process.

    Raises MeasurementError samples.empty, samples.shape, samples.clock-stepped.
    """
    return summarise_durations(
        [durations(samples, f"process {index}") for index, samples in enumerate(samples_by_block)]
    )


def summarise_durations(blocks: Sequence[Times]) -> Latency:
    """Summarise the durations of one result, in ns: one array per process, in the order they were taken.

    The headline is the median of the processes' medians: each process counts once, however many samples
    it took. Percentiles, minimum, mean and deviations pool all samples. Raises MeasurementError
    samples.empty.
    """
    if not len(blocks):
        raise MeasurementError("no process left samples behind", code="samples.empty", fix="measure again")
    medians = np.array([np.median(block) for block in blocks])
    p50 = float(np.median(medians))
    low, high = _hull([np.sort(block) for block in blocks])
    pooled = np.sort(np.concatenate(blocks))
    mean, stdev = float(pooled.mean()), float(pooled.std(ddof=1)) if len(pooled) > 1 else None
    slope, slope_p = _steepest(blocks)
    bounds = {name: interval(pooled, share) for name, share in PERCENTILES.items()}
    return Latency(
        count=len(pooled),
        blocks=len(blocks),
        p50_ns=p50,
        p50_low_ns=low,
        p50_high_ns=high,
        min_ns=float(pooled[0]),
        mean_ns=mean,
        stdev_ns=stdev,
        mad_ns=mad(pooled),
        cv=stdev / mean if stdev is not None and mean > 0 else None,
        between_block_spread=float(np.ptp(medians)) / p50 if len(blocks) > 1 and p50 > 0 else None,
        between_cv=_cv(medians),
        median_to_min=_median_to_min(blocks),
        drift=_most(_drift(block) for block in blocks),
        settling=_most(_drift(block[::-1]) for block in blocks),
        slope=slope,
        slope_p=slope_p,
        intervals_ns={name: found for name, found in bounds.items() if found is not None},
        **{f"{name}_ns": quantile_or_none(pooled, share) for name, share in PERCENTILES.items()},
    )


def _cv(medians: npt.NDArray[np.float64]) -> float | None:
    """Standard deviation of the process medians over their mean; None with one process."""
    mean = float(medians.mean())
    return float(medians.std(ddof=1)) / mean if len(medians) > 1 and mean > 0 else None


def _most(ratios: Iterable[float | None]) -> float | None:
    return max((ratio for ratio in ratios if ratio is not None), default=None)


def _steepest(blocks: Sequence[Times]) -> tuple[float | None, float | None]:
    """The largest slope of a process and its p; None where every process is too short for one."""
    return max((found for found in map(trend, blocks) if found is not None), default=(None, None))


def _hull(ordered: Sequence[Times]) -> tuple[float | None, float | None]:
    """From the lowest lower to the highest upper bound of the processes' intervals of the median; each
    process is one draw of layout and scheduling, and the spread between them belongs in the interval."""
    intervals = [interval(block, 0.5) for block in ordered]
    known = [bounds for bounds in intervals if bounds is not None]
    if len(known) < len(intervals):
        return None, None
    return min(low for low, _ in known), max(high for _, high in known)


def _median_to_min(blocks: Sequence[Times]) -> float | None:
    """The smallest, over the processes, of median / minimum; None for times too short to divide by."""
    if any(block.min() <= 0 for block in blocks):
        return None
    return min(float(np.median(block)) / float(block.min()) for block in blocks)


def _drift(block: Times) -> float | None:
    """How much slower the last quarter of a block surely was than its first: the lower bound of the one's
    median over the upper bound of the other's. Above 1 the device became slower while it was measured."""
    quarter = len(block) // 4
    first, last = interval(np.sort(block[:quarter]), 0.5), interval(np.sort(block[-quarter:]), 0.5)
    return last[0] / first[1] if quarter and first and last and first[1] > 0 else None
