"""Fixed cadence: latency from the scheduled start, so that a stall is seen by everyone who had to wait.

Timing from the actual start instead ("coordinated omission") hides it: a service of 10 ms at 30 requests per
second with one stall of 1 s a minute has a p99 of 10.5 ms in a closed loop and of 591 ms from the schedule.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from farm_agent.scenarios import paced
from farm_agent.wire import JobSpec
from farm_results import text
from farm_results.measured import Measured
from farm_results.model import Result
from farm_results.samples import Times
from farm_results.statistics.stats import quantile, quantile_or_none

NOTHING = "–"


def metrics(spec: JobSpec, processes: Sequence[Measured]) -> dict[str, float]:
    """``paced_miss_share``: of all schedules, those that ended later than one period after their time, or
    that the process never came to before its time limit. Percentiles of the latency pool all processes;
    ``paced_service_p50_ns`` (from the actual start) and ``paced_wakeup_p50_ns`` (start after schedule) are
    medians of the processes' medians. ``paced_load_share``: service median over period; from 1 on the
    device cannot keep the cadence.
    """
    period_ns, planned = paced.cadence(spec.scenario_options, spec.plan)
    pooled = np.sort(np.concatenate([process.latency_ns() for process in processes]))
    unserved = [max(0, planned - len(process.rows)) for process in processes]
    never = sum(unserved)
    late = int((pooled > period_ns).sum()) + never
    medians = [
        _quantile(np.sort(process.latency_ns()), 0.5, missing)
        for process, missing in zip(processes, unserved, strict=True)
    ]
    service = [float(np.median(process.service_ns())) for process in processes]
    woken = [np.median(process.column("start") - process.column("scheduled")) for process in processes]
    found = {
        "paced_period_ns": float(period_ns),
        "paced_max_ns": float(pooled[-1]),
        "paced_miss_share": late / (len(pooled) + never),
        "paced_unserved_count": float(never),
        "paced_service_p50_ns": float(np.median(service)),
        "paced_wakeup_p50_ns": float(np.median(woken)),
        "paced_load_share": float(np.median(service)) / period_ns,
    }
    if all(median is not None for median in medians):
        found["paced_p50_ns"] = float(np.median(np.array(medians, dtype=np.float64)))
    for name, share in (("p90", 0.90), ("p99", 0.99), ("p99_9", 0.999)):
        value = _quantile(pooled, share, never)
        if value is not None and quantile_or_none(pooled, share) is not None:
            found[f"paced_{name}_ns"] = value
    return found


def turn_ns(process: Measured) -> float:
    """The median of its runs, from when each was due."""
    return float(np.median(process.latency_ns()))


def _quantile(ordered: Times, share: float, never: int) -> float | None:
    """A quantile of the sorted latencies when ``never`` more were never served: those are worse than every
    latency that was measured, and a quantile among them is not known."""
    if never == 0 and share == 0.5:
        return float(np.median(ordered))
    rank = share * (len(ordered) + never) / len(ordered)
    return quantile(ordered, rank) if rank <= 1.0 else None


def columns(result: Result) -> list[tuple[str, str]]:
    """The cadence, the latency from the schedule, the service time, and the share of missed deadlines."""
    values = result.metrics
    return [
        ("paced period", _time(values.get("paced_period_ns"))),
        ("paced p50", _time(values.get("paced_p50_ns"))),
        ("paced p99", _time(values.get("paced_p99_ns"), "n/a")),
        ("paced service p50", _time(values.get("paced_service_p50_ns"))),
        ("paced misses", _share(values.get("paced_miss_share"))),
    ]


def headline(result: Result) -> str:
    """Median and misses."""
    values = result.metrics
    return (
        f"paced p50 {_time(values.get('paced_p50_ns'))} at {_time(values.get('paced_period_ns'))}, "
        f"{_share(values.get('paced_miss_share'))} missed"
    )


def _time(value: float | None, nothing: str = NOTHING) -> str:
    return nothing if value is None else text.duration(value)


def _share(value: float | None) -> str:
    return NOTHING if value is None else f"{text.number(value * 100)} %"
