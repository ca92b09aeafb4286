"""What is one series: the same model, on the same unit, measured the same way, night after night.

A series goes on over new versions of its model, its converters and its runtime: those are what may make it
slower. What the device is beside that (``environment``) splits a series into segments.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from farm_results.model import Result

OPTIONS_THAT_DO_NOT_MATTER = frozenset({"cache_dir"})
LOWER, HIGHER = "lower", "higher"


@dataclass(frozen=True)
class SeriesKey:
    """What tells one series from another. ``options``: the target's own, batch size included, and what the
    scenario was asked for beyond its defaults (``throughput.streams``)."""

    model: str
    device: str
    profile: str
    format: str
    runtime: str
    precision: str
    threads: int
    scenario: str
    origin: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Number:
    """The number that a series follows, with its 95 % interval; ``better``: lower or higher."""

    metric: str
    value: float | None
    low: float | None = None
    high: float | None = None
    better: str = LOWER


def key_of(result: Result) -> SeriesKey:
    """The series that a result belongs to, whether it failed or not."""
    return SeriesKey(
        model=result.model,
        device=result.device,
        profile=result.profile,
        format=result.format,
        runtime=result.runtime,
        precision=result.precision,
        threads=result.threads,
        scenario=result.scenario,
        origin=result.origin,
        options=options_of(result.options, result.conditions),
    )


def options_of(options: Mapping[str, str], conditions: Mapping[str, str]) -> dict[str, str]:
    """A key's options, in order: without those that change no number."""
    found = sorted({**options, **conditions}.items())
    return {name: value for name, value in found if name not in OPTIONS_THAT_DO_NOT_MATTER}


def series_id(key: SeriesKey) -> str:
    """A stable name of 16 hexadecimal digits, the same on every machine."""
    parts = [key.model, key.device, key.format, key.runtime, key.precision, str(key.threads), key.scenario]
    text = json.dumps([*parts, key.origin, sorted(key.options.items())], ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def number_of(result: Result) -> Number:
    """What the series of this result follows: the p50 of a closed loop, else the scenario's own headline.

    ``value`` is None where nothing was measured. A native tool's numbers belong to a series of their own,
    since their protocol is not ours.
    """
    if "tool_median_ns" in result.metrics:
        return Number("tool_median_ns", result.metrics["tool_median_ns"])
    values = result.metrics
    if result.scenario == "throughput":
        return Number("throughput_best_per_s", values.get("throughput_best_per_s"), better=HIGHER)
    if result.scenario == "cold-start":
        bounds = values.get("cold_total_low_ns"), values.get("cold_total_high_ns")
        return Number("cold_total_ns", values.get("cold_total_ns"), *bounds)
    if result.scenario == "sustained":
        return Number("sustained_p50_ns", values.get("sustained_p50_ns"))
    latency = result.latency
    if latency is None:
        return Number("p50_ns", None)
    return Number("p50_ns", latency.p50_ns, latency.p50_low_ns, latency.p50_high_ns)
