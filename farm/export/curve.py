"""How many inferences per second each batch gives, measured on the device: what a server's batching is
chosen from."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from farm import benchmark
from farm.config import Config
from farm.errors import MeasurementError, from_blame
from farm.measure import Measure, plan_of
from farm.plan import Request
from farm.progress import Reporter
from farm.tune import best as bests
from farm.tune.replay import check
from farm_agent.wire import GatePlan
from farm_results.model import Result

BATCHES = (1, 2, 4, 8, 16)
# Beyond the least batch that gives 95 % of the best throughput, more only makes each request wait longer.
KNEE_SHARE = 0.95
WORTH = 1.05  # a batch that gives less than 5 % more than single requests is not worth the waiting


@dataclass(frozen=True)
class Asked:
    """How to measure the curve. ``batches`` (): the usual ones."""

    batches: tuple[int, ...] = ()
    smoke: bool = False
    gate: bool = True
    blocks: int | None = None
    min_time_s: float | None = None


@dataclass(frozen=True)
class Point:
    """One batch, one stream: inputs per second, and the median time of a batch in ns."""

    batch: int
    per_s: float
    p50_ns: float


@dataclass(frozen=True)
class Choice:
    """``preferred`` (): no dynamic batching; ``most``: Triton's max_batch_size; ``why`` in words."""

    preferred: tuple[int, ...]
    most: int
    delay_us: int
    why: str


def measured(found: bests.Best, asked: Asked, config: Config, reporter: Reporter) -> list[Point]:
    """The curve of a best.toml's configuration on its device; points that failed are left out.

    Raises the error of the first batch when none could be measured; UsageError plan.model-changed.
    """
    request = found.request(
        Request(
            models=(),
            devices=(found.device.name,),
            blocks=plan_of(
                scenario="throughput", smoke=asked.smoke, blocks=asked.blocks, min_time_s=asked.min_time_s
            ),
            measure=Measure("throughput", {"streams": "1"}, gate=GatePlan() if asked.gate else None),
        )
    )
    request = replace(request, batch=asked.batches or BATCHES, data=None, metric="")
    plan = benchmark.plan_for(request, config)
    check(found, plan)
    outcome = benchmark.execute(plan, config, reporter, command=sys.argv)
    points = [_point(one) for one in outcome.results if one.status == "ok"]
    if not points:
        raise _first(outcome.results)
    return sorted(points, key=lambda point: point.batch)


def choose(points: Sequence[Point], limit_ns: float | None = None) -> Choice:
    """Batching by the curve. ``limit_ns``: the latency that a request may have, waiting included.

    A request waits at most while the batch before its own runs, then for its own: twice the time of a batch.
    Of the batches for which that is within the limit, the preferred one is the smallest that gives 95 % of
    the best throughput; there is no batching where that is less than 5 % more than batch 1 gives.
    max_queue_delay is the time of one batch, or what the limit leaves, whichever is less.
    """
    if len(points) == 1:
        return Choice((), 1, 0, f"batch {points[0].batch} alone could be measured")
    single = next((point for point in points if point.batch == 1), points[0])
    fitting = [point for point in points if limit_ns is None or 2 * point.p50_ns <= limit_ns] or [single]
    best = max(point.per_s for point in fitting)
    knee = min((p for p in fitting if p.per_s >= KNEE_SHARE * best), key=lambda point: point.batch)
    gain = knee.per_s / single.per_s
    if knee.batch == 1 or gain < WORTH:
        return Choice((), 1, 0, f"batching gives {_percent(gain)} inputs per second at best")
    delay_ns = knee.p50_ns if limit_ns is None else min(knee.p50_ns, max(0.0, limit_ns - 2 * knee.p50_ns))
    most = max(point.batch for point in fitting if point.per_s >= KNEE_SHARE * best)
    why = f"batch {knee.batch} gives {_percent(gain)} inputs per second, the smallest within 5 % of the best"
    return Choice((knee.batch,), most, int(delay_ns / 1e3), why)


def _percent(gain: float) -> str:
    return f"{(gain - 1) * 100:+.0f} %"


def _point(result: Result) -> Point:
    values = result.metrics
    return Point(
        batch=int(values.get("throughput_batch_count", 1.0)),
        per_s=values["throughput_at_1_per_s"],
        p50_ns=values["throughput_at_1_p50_ns"],
    )


def _first(results: Sequence[Result]) -> Exception:
    for one in results:
        if one.error_blame:
            return from_blame(one.error_blame, one.error_message, code=one.error_code, fix=one.error_fix)
        return MeasurementError(
            f"no batch could be measured: {one.error_message}",
            code="export.no-curve",
            fix="measure the model with farm bench --scenario throughput first",
        )
    return MeasurementError(
        "the measurement was interrupted before its first batch",
        code="export.no-curve",
        fix="run it again",
    )


def table(points: Sequence[Point], path: Path) -> None:
    """Write the curve as TSV: batch, inputs per second, median time of a batch in ns."""
    lines = ["batch\tper_s\tp50_ns", *(f"{p.batch}\t{p.per_s:.6g}\t{p.p50_ns:.6g}" for p in points)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
