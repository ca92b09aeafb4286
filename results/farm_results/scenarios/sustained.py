"""Minutes back to back, in bins: what the device does cold, what it keeps up, and when it throttles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from farm_agent.scenarios import sustained
from farm_agent.wire import JobSpec
from farm_results import text
from farm_results.measured import Measured
from farm_results.model import Result

NOTHING = "–"
# Slower than the best bin so far by this factor, and for so many bins, is throttling: measurement's 3 % rule.
THROTTLED = 1.03
STAYS_BINS = 2
LAST_NS = 300_000_000_000


@dataclass(frozen=True)
class Bins:
    """Medians of the whole bins of one process in ns, in order, and the bins' numbers from 0; a bin in which
    no row ended has none. ``count``: how many whole bins there are."""

    medians_ns: tuple[float, ...]
    numbers: tuple[int, ...]
    bin_ns: int
    count: int


def metrics(spec: JobSpec, processes: Sequence[Measured]) -> dict[str, float]:
    """Medians over the processes; ``time_to_throttle_s`` is the earliest of any, and absent when none did.

    ``sustained_cold_p50_ns``: the first bin, which begins after the first inference, without a warm-up.
    ``sustained_p50_ns``: all rows of the last five minutes, or of the last half of a shorter run.
    """
    _, bin_ns = sustained.lengths(spec.scenario_options)
    binned = [bins_of(process, bin_ns) for process in processes]
    cold = float(np.median([bins.medians_ns[0] for bins in binned]))
    late = float(np.median([last_median_ns(process) for process in processes]))
    found = {
        "sustained_cold_p50_ns": cold,
        "sustained_p50_ns": late,
        "sustained_ratio": late / cold if cold > 0 else float("nan"),
        "sustained_worst_bin_p50_ns": float(max(max(bins.medians_ns) for bins in binned)),
        "sustained_bins_count": float(min(bins.count for bins in binned)),
        "sustained_bin_s": bin_ns / 1e9,
        "sustained_elapsed_s": min(_elapsed_ns(process) for process in processes) / 1e9,
    }
    throttled = [at for at in map(time_to_throttle_s, binned) if at is not None]
    if throttled:
        found["time_to_throttle_s"] = min(throttled)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def bins_of(process: Measured, bin_ns: int) -> Bins:
    """Rows by the bin in which they ended, counted from the start of the first row. A last bin that is not
    over is left out, unless it is the only one."""
    begin = int(process.column("start")[0])
    numbers = (process.column("end") - begin) // bin_ns
    count = max(1, int(_elapsed_ns(process) // bin_ns))
    taken = process.latency_ns()
    known, firsts = np.unique(numbers, return_index=True)
    medians = [float(np.median(part)) for part in np.split(taken, firsts[1:])]
    kept = {int(number): median for number, median in zip(known, medians, strict=True) if number < count}
    # Slower than a bin: the first row is all that is known of the cold device.
    kept = {0: float(taken[0]), **kept}
    return Bins(tuple(kept.values()), tuple(kept), bin_ns, count)


def last_median_ns(process: Measured) -> float:
    """Median of the rows that ended in the last five minutes, or in the last half of a shorter run."""
    window_ns = min(LAST_NS, _elapsed_ns(process) / 2)
    ends = process.column("end")
    return float(np.median(process.latency_ns()[ends > ends[-1] - window_ns]))


def time_to_throttle_s(bins: Bins) -> float | None:
    """Begin of the first bin that is, like the next one, slower than 1.03 times the best bin before it;
    None when there is none."""
    best = bins.medians_ns[0]
    for index in range(1, len(bins.medians_ns) - STAYS_BINS + 1):
        following = bins.medians_ns[index : index + STAYS_BINS]
        if all(median > THROTTLED * best for median in following):
            return bins.numbers[index] * bins.bin_ns / 1e9
        best = min(best, bins.medians_ns[index])
    return None


def columns(result: Result) -> list[tuple[str, str]]:
    """Cold, sustained, their ratio, and when it began to throttle."""
    values = result.metrics
    ratio = values.get("sustained_ratio")
    return [
        ("sustained cold p50", _time(values.get("sustained_cold_p50_ns"))),
        ("sustained p50", _time(values.get("sustained_p50_ns"))),
        ("sustained/cold", NOTHING if ratio is None else f"{ratio:.3f}"),
        ("sustained throttles after", _throttle(result)),
    ]


def headline(result: Result) -> str:
    """Sustained, against cold."""
    values = result.metrics
    cold, late = values.get("sustained_cold_p50_ns"), values.get("sustained_p50_ns")
    return f"sustained p50 {_time(late)}, cold {_time(cold)}, throttles after: {_throttle(result)}"


def _throttle(result: Result) -> str:
    at_s = result.metrics.get("time_to_throttle_s")
    if at_s is not None:
        return f"{at_s:.0f} s"
    elapsed_s = result.metrics.get("sustained_elapsed_s")
    return NOTHING if elapsed_s is None else f"not in {elapsed_s:.0f} s"


def _elapsed_ns(process: Measured) -> float:
    return float(process.column("end")[-1] - process.column("start")[0])


def _time(value: float | None) -> str:
    return NOTHING if value is None else text.duration(value)
