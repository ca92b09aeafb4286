"""The numbers of a result that other tools follow over time: named once, in units that people read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm_results.model import Result
from farm_results.report.rows import runtime_text
from farm_results.series import HIGHER, LOWER, key_of, number_of
from farm_results.text import printable, threads_text

USABLE = ("valid", "noisy")
NAME_LIMIT = 300
_WORDS = {
    "p50_ns": "p50",
    "tool_median_ns": "tool median",
    "throughput_best_per_s": "throughput",
    "cold_total_ns": "cold start",
    "sustained_p50_ns": "sustained p50",
}


@dataclass(frozen=True)
class Figure:
    """``name``: p50, p99, throughput, energy, ...; ``low``, ``high``: its 95 % interval where there is one;
    ``better``: lower or higher."""

    name: str
    value: float
    unit: str
    low: float | None = None
    high: float | None = None
    better: str = LOWER


def usable(result: Result) -> bool:
    """Whether another tool may follow its numbers: measured, and neither invalid nor throttled."""
    return result.status == "ok" and result.verdict.word in USABLE


def name_of(result: Result) -> str:
    """What a person calls the series, the same in every run; what no device measured says so first."""
    parts = [
        result.model,
        result.device,
        runtime_text(result),
        result.precision,
        threads_text(result.threads),
    ]
    if result.scenario != "latency":
        parts.append(result.scenario)
    parts += [f"{name}={value}" for name, value in key_of(result).options.items() if name != "provider"]
    if result.origin:
        parts.insert(0, result.origin.upper())
    return printable(" · ".join(part for part in parts if part), NAME_LIMIT)


def marks_of(result: Result) -> str:
    """``valid``, ``NOISY``, ``SIMULATED valid``, ``FAILED``: what stands beside every number."""
    word = result.verdict.word if result.status == "ok" else result.status
    word = word if word in ("valid", "skipped") else word.upper()
    return printable(f"{result.origin.upper()} {word}".strip())


def figures(result: Result) -> list[Figure]:
    """The series' own number first, then what else is known. Nothing of a result that may not be used."""
    if not usable(result):
        return []
    found = [*_headline(result), *_tail(result)]
    found += _energy(result)
    if result.peak_memory_bytes is not None:
        found.append(Figure("peak memory", result.peak_memory_bytes / 1e6, "MB"))
    if result.artifact_bytes is not None:
        found.append(Figure("artifact size", result.artifact_bytes / 1e6, "MB"))
    return [*found, *_accuracy(result)]


def left_out(results: Sequence[Result]) -> int:
    """How many of the results have no figure that another tool may follow."""
    return sum(not usable(result) for result in results)


def _headline(result: Result) -> list[Figure]:
    number = number_of(result)
    if number.value is None:
        return []
    name = _WORDS.get(number.metric, number.metric)
    if number.metric.endswith("_ns"):
        return [_time(name, number.value, number.low, number.high)]
    return [Figure(name, number.value, "1/s", number.low, number.high, number.better)]


def _tail(result: Result) -> list[Figure]:
    latency = result.latency
    if latency is None or latency.p99_ns is None or result.scenario != "latency":
        return []
    low, high = (*latency.intervals_ns.get("p99", ()), None, None)[:2]
    return [_time("p99", latency.p99_ns, low, high)]


def _time(name: str, value_ns: float, low_ns: float | None, high_ns: float | None) -> Figure:
    low, high = (None if end is None else end / 1e6 for end in (low_ns, high_ns))
    return Figure(name, value_ns / 1e6, "ms", low, high)


def _energy(result: Result) -> list[Figure]:
    if not result.energy:
        return []
    from farm_results.energy.place import headline

    best = headline(result.energy)
    if best is None or best.gross_j is None:
        return []
    spread = None if best.u_gross_j is None else 2 * best.u_gross_j * 1e3
    value = best.gross_j * 1e3
    ends = (None, None) if spread is None else (value - spread, value + spread)
    return [Figure("energy", value, "mJ", *ends)]


def _accuracy(result: Result) -> list[Figure]:
    if result.accuracy is None:
        return []
    from farm_results import metrics

    name = result.accuracy_metric
    lower = name in metrics.names() and metrics.load(name).LOWER_IS_BETTER
    if metrics.is_custom(name):
        return []  # nobody knows which direction is better
    ends = (result.accuracy_low, result.accuracy_high)
    return [Figure(f"accuracy {name}".strip(), result.accuracy, "", *ends, better=LOWER if lower else HIGHER)]
