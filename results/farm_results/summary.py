"""From raw samples to a ``Latency``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from farm_agent.errors import MeasurementError
from farm_results.model import Latency
from farm_results.samples import Samples, durations, read_samples
from farm_results.stats import interval, mad, quantile_or_none

__all__ = ["read_samples", "summarise"]

PERCENTILES = (0.90, 0.95, 0.99)


def summarise(samples_by_block: Sequence[Any]) -> Latency:
    """Summarise the samples of one result: one [n, 2] array (start, end in ns) per process.

    The headline is the median of the processes' medians: each process counts once, however many samples
    it took. Percentiles, minimum, mean and deviations pool all samples. Raises MeasurementError
    samples.empty, samples.shape, samples.clock-stepped.
    """
    if not len(samples_by_block):
        raise MeasurementError("no process left samples behind", code="samples.empty", fix="measure again")
    blocks = [durations(samples, f"process {index}") for index, samples in enumerate(samples_by_block)]
    medians = np.array([np.median(block) for block in blocks])
    p50 = float(np.median(medians))
    low, high = _hull([np.sort(block) for block in blocks])
    pooled = np.sort(np.concatenate(blocks))
    p90, p95, p99 = (quantile_or_none(pooled, share) for share in PERCENTILES)
    return Latency(
        count=len(pooled),
        blocks=len(blocks),
        p50_ns=p50,
        p50_low_ns=low,
        p50_high_ns=high,
        p90_ns=p90,
        p95_ns=p95,
        p99_ns=p99,
        min_ns=float(pooled[0]),
        mean_ns=float(pooled.mean()),
        stdev_ns=float(pooled.std(ddof=1)) if len(pooled) > 1 else None,
        mad_ns=mad(pooled),
        between_block_spread=float(np.ptp(medians)) / p50 if len(blocks) > 1 and p50 > 0 else None,
        median_to_min=_median_to_min(blocks),
        drift=max((ratio for ratio in map(_drift, blocks) if ratio is not None), default=None),
    )


def _hull(ordered: Sequence[Samples]) -> tuple[float | None, float | None]:
    """From the lowest lower to the highest upper bound of the processes' intervals of the median; each
    process is one draw of layout and scheduling, and the spread between them belongs in the interval."""
    intervals = [interval(block, 0.5) for block in ordered]
    known = [bounds for bounds in intervals if bounds is not None]
    if len(known) < len(intervals):
        return None, None
    return min(low for low, _ in known), max(high for _, high in known)


def _median_to_min(blocks: Sequence[Samples]) -> float | None:
    """The smallest, over the processes, of median / minimum; None for times too short to divide by."""
    if any(block.min() <= 0 for block in blocks):
        return None
    return min(float(np.median(block)) / float(block.min()) for block in blocks)


def _drift(block: Samples) -> float | None:
    """How much slower the last quarter of a block surely was than its first: the lower bound of the one's
    median over the upper bound of the other's. Above 1 the device became slower while it was measured."""
    quarter = len(block) // 4
    first, last = interval(np.sort(block[:quarter]), 0.5), interval(np.sort(block[-quarter:]), 0.5)
    return last[0] / first[1] if quarter and first and last and first[1] > 0 else None
