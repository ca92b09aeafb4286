"""Runs far from the others: how many, on which side, and what telemetry saw meanwhile. None is dropped.

Fences: J. W. Tukey, Exploratory Data Analysis (1977), chapter 2: 1.5 and 3 interquartile ranges outside of
the quartiles, per process. A cause is what coincides; at a few reads per second that is a hint, no proof.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from farm_agent.messages.traces import Trace, TraceFile
from farm_agent.wire import BlockResult, JobResult, JobSpec
from farm_results.energy.traces import read_traces
from farm_results.measured import Measured, measured
from farm_results.model import Outliers
from farm_results.samples import PAIR, read_samples
from farm_results.statistics.stats import quantile

MILD, SEVERE = 1.5, 3.0
# A row this much longer than the median row, in time and as a share of it, is a process that stood still:
# a scheduler's hiccup takes tens of milliseconds even on a shared virtual machine.
STALL_NS, STALL_SHARE = 250e6, 0.5
# What was there for more than this share of the block says nothing about single runs.
COMMON_SHARE = 0.5
CLOCK_SHARE = 0.97
BACK_TO_BACK = ("latency", "sustained")
CAUSES = ("frozen", "swap", "major fault", "throttle", "frequency drop", "involuntary switch", "unknown")

Times = npt.NDArray[np.int64]
Spans = tuple[Times, Times]


def of_job(
    spec: JobSpec, job: JobResult, samples: Sequence[Path], traces: Sequence[Path] = ()
) -> tuple[Outliers, ...]:
    """One entry per process, from the files as they were fetched; ``traces`` are those of the processes that
    have them, in order. Raises MeasurementError samples.*, traces.*."""
    told = iter(traces)
    found = []
    for block, path in zip(job.blocks, samples, strict=False):
        trace_path = next(told, None) if block.traces is not None else None
        telemetry = read_traces(trace_path) if trace_path is not None else TraceFile()
        process = measured(block, read_samples(path, block.columns))
        back_to_back = spec.scenario in BACK_TO_BACK
        found.append(classify(process, block, telemetry.traces, back_to_back=back_to_back))
    return tuple(found)


def classify(
    process: Measured, block: BlockResult, traces: Sequence[Trace] = (), *, back_to_back: bool = True
) -> Outliers:
    """The outliers of one process. ``back_to_back``: a pause between two rows is no part of the scenario.

    Raises MeasurementError samples.*.
    """
    taken = np.asarray(process.latency_ns(), dtype=np.float64)
    high, counts = _fenced(taken, block.timer_step_ns / process.calls)
    rows = process.column("end") - process.rows[:, 0]
    median_row = float(np.median(rows))
    spans = (process.rows[high, 0], process.column("end")[high])
    pause = _longest_pause(process) if back_to_back else 0.0
    stalled = (rows[high] - median_row) > stall_limit_ns(median_row)
    return Outliers(
        count=len(taken),
        causes=_causes(spans, stalled, traces, process),
        longest_stall_ns=max(float(rows.max()) - median_row, pause),
        median_row_ns=median_row,
        **counts,
    )


def stall_limit_ns(median_row_ns: float, least_ns: float = STALL_NS) -> float:
    """How much longer than the median row one must take to count as a process that stood still."""
    return max(least_ns, STALL_SHARE * median_row_ns)


def _fenced(taken: npt.NDArray[np.float64], step_ns: float) -> tuple[npt.NDArray[np.bool_], dict[str, int]]:
    """Which runs lie above the mild fence, and the counts of all four kinds."""
    ordered = np.sort(taken)
    first, third = quantile(ordered, 0.25), quantile(ordered, 0.75)
    # Times so short that the quartiles are equal differ by steps of the timer, which is no outlier.
    reach = max(third - first, step_ns)
    high = taken > third + MILD * reach
    high_severe = int((taken > third + SEVERE * reach).sum())
    low_severe = int((taken < first - SEVERE * reach).sum())
    return high, {
        "low_severe": low_severe,
        "low_mild": int((taken < first - MILD * reach).sum()) - low_severe,
        "high_mild": int(high.sum()) - high_severe,
        "high_severe": high_severe,
    }


def _longest_pause(process: Measured) -> float:
    if process.columns != PAIR or len(process.rows) < 2:
        return 0.0
    pauses = process.column("start")[1:] - process.column("end")[:-1]
    return float(pauses.max())


def _causes(
    spans: Spans, stalled: npt.NDArray[np.bool_], traces: Sequence[Trace], process: Measured
) -> Mapping[str, int]:
    """How many of the runs coincide with each cause; each run counts once, under the first that fits."""
    left = np.ones(len(spans[0]), dtype=bool)
    counts = {}
    block = (int(process.rows[0, 0]), int(process.column("end").max()))
    for cause in CAUSES:
        if cause == "frozen":
            hit = stalled
        elif cause == "unknown":
            hit = left
        else:
            hit = _meets(spans, _windows(cause, traces, block))
        hit = hit & left
        if hit.any():
            counts[cause] = int(hit.sum())
        left = left & ~hit
    return counts


def _meets(spans: Spans, windows: Sequence[tuple[int, int]]) -> npt.NDArray[np.bool_]:
    """Which spans touch a window; windows of one trace ascend, those of several may lie anywhere."""
    hit = np.zeros(len(spans[0]), dtype=bool)
    for begin, end in windows:
        hit |= (spans[0] <= end) & (spans[1] >= begin)
    return hit


def _windows(cause: str, traces: Sequence[Trace], block: tuple[int, int]) -> list[tuple[int, int]]:
    """When the cause was there, between two neighbouring reads; none when it was there most of the time."""
    found: list[tuple[int, int]] = []
    for trace in traces:
        wrong = _SIGNS[cause](trace)
        if wrong is None or len(trace.times_ns) < 2:
            continue
        pairs = itertools.pairwise(trace.times_ns)
        windows = [pair for pair, bad in zip(pairs, wrong, strict=False) if bad]
        inside = sum(max(0, min(end, block[1]) - max(begin, block[0])) for begin, end in windows)
        if inside <= COMMON_SHARE * max(1, block[1] - block[0]):
            found += windows
    return found


def _grew(trace: Trace) -> list[bool]:
    return [after > before for before, after in itertools.pairwise(trace.values)]


def _either(wrong: Sequence[bool]) -> list[bool]:
    return [before or after for before, after in itertools.pairwise(wrong)]


def _counter(*words: str) -> Callable[[Trace], list[bool] | None]:
    """A counter of the process or the system whose name holds one of the words."""

    def sign(trace: Trace) -> list[bool] | None:
        name = trace.channel.name.lower().replace("-", "_")
        return _grew(trace) if trace.channel.kind == "count" and any(w in name for w in words) else None

    return sign


def _throttle(trace: Trace) -> list[bool] | None:
    kind = trace.channel.kind
    if kind in ("throttle_count", "throttle_time_ms"):
        return _grew(trace)
    if kind == "throttle_state":
        return _either([value > 0 for value in trace.values])
    if kind == "flags":
        return _either([0 <= value < 2**63 and int(value) & 0xF != 0 for value in trace.values])
    return None


def _slower(trace: Trace) -> list[bool] | None:
    if trace.channel.kind != "frequency_khz" or not trace.values:
        return None
    least = CLOCK_SHARE * max(trace.values)
    return _either([value < least for value in trace.values])


_SIGNS: Mapping[str, Callable[[Trace], list[bool] | None]] = {
    "swap": _counter("swap", "pswp"),
    "major fault": _counter("major_fault"),
    "throttle": _throttle,
    "frequency drop": _slower,
    "involuntary switch": _counter("involuntary"),
}
