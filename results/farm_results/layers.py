"""Time per layer as people read it: the slowest first, how much of an inference they explain, which unit ran
what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from farm_agent import codec
from farm_agent.messages.layers import Layer, LayerProfile
from farm_results import text
from farm_results.model import Result
from farm_results.report.rows import Table
from farm_results.storage.document import Document
from farm_results.text import printable

NOTHING = "–"
PROFILERS = {"ort": "ONNX Runtime", "ov": "OpenVINO", "litert": "LiteRT", "trt": "TensorRT"}
COLUMNS = ("layer", "operator", "kernel", "unit", "prec", "mean", "median", "share")
ALIGN = ("left", "left", "left", "left", "left", "right", "right", "right")
# Below this share of an inference, what the layers say is no picture of it.
WHOLE = 0.8
# A profiler that slows an inference down by more has changed what it looks at.
SLOWED = 1.2


@dataclass(frozen=True)
class Unit:
    """``share``: of the layers' time together; ``fallback``: not the unit that was asked for."""

    name: str
    layers: int
    share: float
    fallback: bool


def profile_of(result: Result) -> LayerProfile | None:
    """The result's profile; None when none was asked for, or a document of another farm holds none."""
    document = result.document
    if isinstance(document, Document) and document.lacks("layers"):
        return None
    job = document.get("job")
    data = job.get("layers") if isinstance(job, Mapping) else None
    if data is None:
        return None
    try:
        return codec.decode(LayerProfile, data)
    except codec.DecodeError:
        return None


def coverage(profile: LayerProfile) -> float | None:
    """The layers' sum over a whole inference, both while profiled; None where one of them is not known."""
    if profile.sum_us is None or not profile.inference_us:
        return None
    return profile.sum_us / profile.inference_us


def slowdown(profile: LayerProfile) -> float | None:
    """A profiled inference over one with the profiler off, in the same process."""
    if profile.inference_us is None or not profile.clean_us:
        return None
    return profile.inference_us / profile.clean_us


def typical_us(layer: Layer) -> float:
    """What a layer takes: its median, so that one inference that was disturbed does not decide an order.

    Profilers count whole microseconds: below one, the mean says more than a median of 0. A profiler that
    keeps no single inferences has means alone.
    """
    if layer.mean_us is None:
        return 0.0
    if layer.median_us is None:
        return layer.mean_us
    return layer.median_us if layer.median_us > 0 else min(layer.mean_us, 1.0)


def units(profile: LayerProfile) -> tuple[Unit, ...]:
    """What each unit ran, the one with the most time first."""
    ran = [layer for layer in profile.layers if layer.status == "run"]
    total = sum(map(typical_us, ran))
    found = []
    for name in dict.fromkeys(layer.unit for layer in ran):
        own = [layer for layer in ran if layer.unit == name]
        time_us = sum(map(typical_us, own))
        fallback = bool(profile.asked_unit and name and name != profile.asked_unit)
        found.append(Unit(name, len(own), time_us / total if total > 0 else 0.0, fallback))
    return tuple(sorted(found, key=lambda unit: -unit.share))


def layer_rows(result: Result, top: int = 20) -> Table | None:
    """The ``top`` layers by typical time, and a row that sums up all others; None without any."""
    profile = profile_of(result)
    if profile is None or not profile.layers:
        return None
    timed = [layer for layer in profile.layers if layer.mean_us is not None]
    total = sum(map(typical_us, timed))
    timed.sort(key=lambda layer: -typical_us(layer))
    rest = timed[top:]
    rows = [_row(layer, total) for layer in timed[:top]]
    if rest:
        means, summed = sum(layer.mean_us or 0.0 for layer in rest), sum(map(typical_us, rest))
        rows.append(_row(Layer(0, f"{len(rest)} more", "", mean_us=means, median_us=summed), total))
    return Table(COLUMNS, tuple(rows), ALIGN)


def layer_lines(result: Result) -> list[str]:
    """Coverage in one line, then what makes it doubtful and what fell back; empty without a profile."""
    profile = profile_of(result)
    if profile is None:
        return []
    name = PROFILERS.get(profile.source, printable(profile.source) or "the profiler")
    if profile.problem:
        return [f"layers: no profile: {printable(profile.problem)}"]
    lines = [f"layers: {_coverage_text(profile, name)}"]
    lines += [
        f"layers: {unit.layers} ({_percent(unit.share)} of their time) ran on {printable(unit.name)}, not on "
        f"{printable(profile.asked_unit)}"
        for unit in units(profile)
        if unit.fallback
    ]
    absent = [layer for layer in profile.layers if layer.status == "unprofilable"]
    if absent:
        lines.append(f"layers: {len(absent)} cannot be timed, such as {printable(absent[0].name)}")
    return lines


def summary(result: Result) -> dict[str, Any] | None:
    """The same for programs: coverage, slowdown and units; None without a profile."""
    profile = profile_of(result)
    if profile is None:
        return None
    return {
        "source": profile.source,
        "problem": profile.problem,
        "runs": profile.runs,
        "sum_us": profile.sum_us,
        "inference_us": profile.inference_us,
        "clean_us": profile.clean_us,
        "coverage": coverage(profile),
        "slowdown": slowdown(profile),
        "units": [codec.encode(unit) for unit in units(profile)],
    }


def _coverage_text(profile: LayerProfile, name: str) -> str:
    ran = sum(layer.status == "run" for layer in profile.layers)
    share, slower = coverage(profile), slowdown(profile)
    if share is None or profile.sum_us is None or profile.inference_us is None:
        return f"{name} timed {ran} layers; how much of an inference they are is not known"
    whole = text.duration(profile.inference_us * 1e3)
    words = [f"{name} timed {ran} layers, {_time(profile.sum_us)} of the {whole} of a"]
    words[0] += f" profiled inference: coverage {_percent(share)}"
    if slower is not None:
        words.append(f"profiling takes {text.number(slower, 2)} times as long as without")
    if share < WHOLE or (slower is not None and slower > SLOWED):
        words.append("read the shares, not the times")
    return "; ".join(words)


def _row(layer: Layer, total_us: float) -> tuple[str, ...]:
    return (
        printable(layer.name, 60),
        printable(layer.op_type, 30) or NOTHING,
        printable(layer.kernel, 40) or NOTHING,
        printable(layer.unit, 30) or NOTHING,
        printable(layer.precision) or NOTHING,
        _time(layer.mean_us),
        _time(layer.median_us),
        _percent(typical_us(layer) / total_us) if total_us > 0 else NOTHING,
    )


def _time(value_us: float | None) -> str:
    """Profilers count whole microseconds: a zero is less than one, not nothing."""
    if value_us is None:
        return NOTHING
    return text.duration(value_us * 1e3) if value_us > 0 else "< 1 µs"


def _percent(share: float) -> str:
    return f"{share * 100:.1f} %"
