"""Results as flat records with full-precision numbers, units in names: CSV, Parquet and pandas alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from types import MappingProxyType
from typing import Any

from farm_results.model import Energy, Latency, Result

_WHAT = ("job_id", "run_id", "model", "model_sha256", "device", "profile", "format", "runtime")
_HOW = ("runtime_version", "precision", "executed_precision", "scenario", "protocol", "harness", "status")
_ERROR = ("error_blame", "error_code", "error_message", "error_fix")
_NO_ENERGY = Energy("", "", "")
_LATENCY = tuple(field.name for field in fields(Latency) if field.name != "intervals_ns")
_PERCENTILES = ("p5", "p90", "p95", "p99", "p99_9")
_OUTLIERS = ("low_severe", "low_mild", "high_mild", "high_severe")
_ENERGY = {
    "energy_sensor": ("text", "sensor"),
    "energy_scope": ("text", "scope"),
    "energy_gross_j": ("float", "gross_j"),
    "u_energy_gross_j": ("float", "u_gross_j"),
    "energy_net_j": ("float", "net_j"),
    "u_energy_net_j": ("float", "u_net_j"),
    "energy_window_s": ("float", "window_s"),
    "power_w": ("float", "power_w"),
    "idle_power_w": ("float", "idle_w"),
    "energy_error": ("text", "error_code"),
}
"""Of the sensor with the widest scope that gave a number."""
_COUNTS = ("count", "blocks")
_ACCURACY = ("low", "high", "reference", "delta", "delta_low", "delta_high")
_AGREEMENT = {name: name for name in ("snr_db", "cosine", "max_abs_error", "top1", "not_finite")}


def _closed_loop(result: Result) -> Latency | None:
    """Another scenario's times are no latency of a closed loop: its own are under ``metrics.``."""
    return result.latency if result.scenario == "latency" else None


def _latency(name: str) -> Callable[[Result], Any]:
    def read(result: Result) -> Any:  # noqa: ANN401 - int or float
        latency = result.latency if name in _COUNTS else _closed_loop(result)
        return None if latency is None else getattr(latency, name)

    return read


def _bound(name: str, side: int) -> Callable[[Result], Any]:
    def read(result: Result) -> float | None:
        latency = _closed_loop(result)
        bounds = () if latency is None else latency.intervals_ns.get(name, ())
        return bounds[side] if len(bounds) > side else None

    return read


def _outliers(name: str) -> Callable[[Result], Any]:
    return lambda result: sum(getattr(one, name) for one in result.outliers) if result.outliers else None


def _longest_stall(result: Result) -> float | None:
    return max((one.longest_stall_ns for one in result.outliers), default=None)


def _energy(name: str) -> Callable[[Result], Any]:
    def read(result: Result) -> Any:  # noqa: ANN401 - text or float
        from farm_results.energy.place import headline

        best = headline(result.energy) or (result.energy[0] if result.energy else _NO_ENERGY)
        return getattr(best, name)

    return read


def _agreement(name: str) -> Callable[[Result], float | None]:
    return lambda result: result.agreement.get(name)


def _own(name: str) -> Callable[[Result], Any]:
    return lambda result: getattr(result, name)


def _pairs(values: Mapping[str, str]) -> str:
    return " ".join(f"{name}={value}" for name, value in sorted(values.items()))


def _column(name: str) -> str:
    return {"count": "samples", "blocks": "processes"}.get(name, name)


_READ: dict[str, tuple[str, Callable[[Result], Any]]] = {
    "created_unix_s": ("float", _own("created_unix_s")),
    **{name: ("text", _own(name)) for name in (*_WHAT, *_HOW)},
    "threads": ("int", _own("threads")),
    "options": ("text", lambda result: _pairs(result.options)),
    "conditions": ("text", lambda result: _pairs(result.conditions)),
    "verdict": ("text", lambda result: result.verdict.word),
    "caveats": ("text", lambda result: " ".join(caveat.code for caveat in result.verdict.caveats)),
    **{_column(name): ("int" if name in _COUNTS else "float", _latency(name)) for name in _LATENCY},
    **{
        f"{name}_{word}_ns": ("float", _bound(name, side))
        for name in _PERCENTILES
        for side, word in enumerate(("low", "high"))
    },
    "import_ns": ("float", _own("import_ns")),
    "load_ns": ("float", _own("load_ns")),
    "first_inference_ns": ("float", _own("first_inference_ns")),
    "peak_memory_bytes": ("int", _own("peak_memory_bytes")),
    "memory_delta_bytes": ("int", _own("memory_delta_bytes")),
    **{f"outliers_{name}": ("int", _outliers(name)) for name in _OUTLIERS},
    "longest_stall_ns": ("float", _longest_stall),
    **{name: (kind, _energy(field)) for name, (kind, field) in _ENERGY.items()},
    "artifact_bytes": ("int", _own("artifact_bytes")),
    "artifact_sha256": ("text", _own("artifact_sha256")),
    "max_abs_error": ("float", _own("max_abs_error")),
    "accuracy_metric": ("text", _own("accuracy_metric")),
    "accuracy": ("float", _own("accuracy")),
    "accuracy_count": ("int", _own("accuracy_count")),
    **{f"accuracy_{name}": ("float", _own(f"accuracy_{name}")) for name in _ACCURACY},
    **{f"agreement_{name}": ("float", _agreement(key)) for name, key in _AGREEMENT.items()},
    **{name: ("text", _own(name)) for name in _ERROR},
    "origin": ("text", _own("origin")),
}

KINDS = MappingProxyType({name: kind for name, (kind, _) in _READ.items()})
"""The columns that every table has, in order, and what each holds: text, int or float. Text is never None."""


def flat(result: Result) -> dict[str, Any]:
    """One record with the columns of ``KINDS``. Text is as stored, except that a lone surrogate, which no
    file format can hold, is spelled ``\\udc80``."""
    record = {name: read(result) for name, (_, read) in _READ.items()}
    return {name: _encodable(value) if isinstance(value, str) else value for name, value in record.items()}


def table(
    results: Sequence[Result], metrics: Sequence[str] | None = None
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    """(kinds, records): the columns of ``KINDS`` and one ``metrics.NAME_UNIT`` for each metric of a scenario
    or tool that some result has; or for these ``metrics``, where the results are only some of all."""
    every = metrics_of(results) if metrics is None else metrics
    names = sorted({_encodable(name) for name in every})
    records = []
    for result in results:
        own = {_encodable(name): value for name, value in result.metrics.items()}
        records.append(flat(result) | {f"metrics.{name}": own.get(name) for name in names})
    return {**KINDS, **{f"metrics.{name}": "float" for name in names}}, records


def metrics_of(results: Sequence[Result]) -> list[str]:
    """Every metric that some of them has."""
    return sorted({name for result in results for name in result.metrics})


def _encodable(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
