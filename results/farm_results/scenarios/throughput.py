"""How much a device infers with several streams at a time: a curve over the streams, and its knee."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from farm_agent import scenarios as agent_scenarios
from farm_agent.errors import MeasurementError
from farm_agent.wire import JobSpec
from farm_results import text
from farm_results.measured import Measured
from farm_results.model import Result
from farm_results.samples import by_stream
from farm_results.statistics.stats import quantile_or_none

NOTHING = "–"
# Measurements of a knee by curvature (V. Satopää et al., Finding a "Kneedle" in a Haystack, 2011) need more
# points than a small board has cores; the least concurrency that is within 5 % of the best is unambiguous.
KNEE_SHARE = 0.95


@dataclass(frozen=True)
class Point:
    """One number of streams: items per second (inferences times batch) and latencies of an inference."""

    streams: int
    per_s: float
    p50_ns: float
    p99_ns: float | None


def metrics(spec: JobSpec, processes: Sequence[Measured]) -> dict[str, float]:
    """The best point, the knee, and every point: ``throughput_at_N_per_s``, ``_p50_ns``, ``_p99_ns``."""
    batch = agent_scenarios.whole(spec.scenario_options, "batch", 1)
    curve = curve_of(processes, batch)
    best, knee = max(curve, key=lambda point: point.per_s), knee_of(curve)
    found = {
        "throughput_batch_count": float(batch),
        "throughput_best_per_s": best.per_s,
        "throughput_best_streams_count": float(best.streams),
        "throughput_knee_per_s": knee.per_s,
        "throughput_knee_streams_count": float(knee.streams),
    }
    for point, name in ((knee, "throughput_knee"), *((p, f"throughput_at_{p.streams}") for p in curve)):
        found[f"{name}_per_s"] = point.per_s
        found[f"{name}_p50_ns"] = point.p50_ns
        if point.p99_ns is not None:
            found[f"{name}_p99_ns"] = point.p99_ns
    return found


def curve_of(processes: Sequence[Measured], batch: int) -> list[Point]:
    """A point per number of streams, in order: the median over its processes; p99 pools them."""
    groups: dict[int, list[Measured]] = {}
    for process in processes:
        groups.setdefault(_streams(process), []).append(process)
    return [_point(streams, group, batch) for streams, group in sorted(groups.items())]


def knee_of(curve: Sequence[Point]) -> Point:
    """The fewest streams that reach 95 % of the best throughput of the curve: beyond it, more streams only
    make each inference wait longer."""
    best = max(point.per_s for point in curve)
    return min((p for p in curve if p.per_s >= KNEE_SHARE * best), key=lambda point: point.streams)


def of_latency(spec: JobSpec, processes: Sequence[Measured]) -> Sequence[Measured]:
    """The processes at the knee: a latency pooled over different loads would mean nothing."""
    batch = agent_scenarios.whole(spec.scenario_options, "batch", 1)
    knee = knee_of(curve_of(processes, batch)).streams
    return [process for process in processes if _streams(process) == knee]


def per_second(process: Measured) -> float:
    """Inferences per second while all streams ran; a row that lies partly in that window counts by its part.

    The window is from the latest first start to the earliest last end; where the streams never ran at the
    same time, from the first start to the last end.
    """
    streams = by_stream(process.rows, process.columns)
    at_start, at_end = process.columns.index("start"), process.columns.index("end")
    low = max(int(rows[0, at_start]) for rows in streams)
    high = min(int(rows[-1, at_end]) for rows in streams)
    if high <= low:
        low = min(int(rows[0, at_start]) for rows in streams)
        high = max(int(rows[-1, at_end]) for rows in streams)
    start, end = process.column("start"), process.column("end")
    inside = np.clip(np.minimum(end, high) - np.maximum(start, low), 0, None)
    shares = inside / np.maximum(end - start, 1)
    return float(shares.sum()) * process.calls / max(high - low, 1) * 1e9


def turn_ns(process: Measured) -> float:
    """Time per inference while all streams ran: the reciprocal of the throughput."""
    return 1e9 / per_second(process)


def _point(streams: int, group: Sequence[Measured], batch: int) -> Point:
    taken = [process.latency_ns() for process in group]
    return Point(
        streams=streams,
        per_s=float(np.median([per_second(process) for process in group])) * batch,
        p50_ns=float(np.median([np.median(one) for one in taken])),
        p99_ns=quantile_or_none(np.sort(np.concatenate(taken)), 0.99),
    )


def _streams(process: Measured) -> int:
    text = process.point.get("streams", "1")
    if not (text.isascii() and text.isdigit() and len(text) < 6 and int(text) > 0):
        raise MeasurementError(
            f"{process.name} says that it ran {text[:20]!r} streams",
            code="samples.shape",
            fix="measure again; if it stays, report it",
        )
    return int(text)


def columns(result: Result) -> list[tuple[str, str]]:
    """The best, the knee with its latencies, and the whole curve."""
    values = result.metrics
    return [
        ("throughput best", _rate(values, "throughput_best")),
        ("throughput knee", _rate(values, "throughput_knee")),
        ("throughput knee p50", _time(values.get("throughput_knee_p50_ns"))),
        ("throughput knee p99", _time(values.get("throughput_knee_p99_ns"), "n/a")),
        ("throughput curve", curve_text(values) or NOTHING),
    ]


def curve_text(values: Mapping[str, float]) -> str:
    """``1: 61.2, 2: 118, 4: 120`` per second, by streams."""
    prefix, suffix = "throughput_at_", "_per_s"
    points = sorted(
        (int(name[len(prefix) : -len(suffix)]), value)
        for name, value in values.items()
        if name.startswith(prefix) and name.endswith(suffix)
    )
    return ", ".join(f"{streams}: {text.number(per_s)}" for streams, per_s in points)


def headline(result: Result) -> str:
    """Best and knee."""
    values = result.metrics
    return f"throughput {_rate(values, 'throughput_best')}, knee {_rate(values, 'throughput_knee')}"


def _rate(values: Mapping[str, float], name: str) -> str:
    per_s, streams = values.get(f"{name}_per_s"), values.get(f"{name}_streams_count")
    if per_s is None or streams is None:
        return NOTHING
    return f"{text.number(per_s)}/s ({streams:.0f} stream{'s' * (streams != 1)})"


def _time(value: float | None, nothing: str = NOTHING) -> str:
    return nothing if value is None else text.duration(value)
