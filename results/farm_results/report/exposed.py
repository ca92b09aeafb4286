"""What a monitoring system is told of a result: a few numbers, in base units, each with its labels."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache

from farm_results.series import SeriesKey
from farm_results.text import printable

LABEL_LIMIT = 200
MEASURED, SIMULATED = "measured", "simulated"
BELIEVED = ("valid", "noisy", "throttled")
LABELS = (
    *("series", "model", "device", "profile", "format", "runtime", "precision", "threads", "scenario"),
    *("options", "origin", "verdict"),
)
_SECONDS = 1e-9
FAMILIES: Mapping[str, tuple[str, str, float]] = {
    "p50_ns": ("farm_latency_p50_seconds", "Median time of one inference.", _SECONDS),
    "p50_low_ns": ("farm_latency_p50_low_seconds", "Lower end of the median's 95 % interval.", _SECONDS),
    "p50_high_ns": ("farm_latency_p50_high_seconds", "Upper end of the median's 95 % interval.", _SECONDS),
    "p99_ns": ("farm_latency_p99_seconds", "99th percentile of the time of one inference.", _SECONDS),
    "tool_median_ns": ("farm_tool_median_seconds", "Median by the runtime's own tool.", _SECONDS),
    "throughput_best_per_s": ("farm_throughput_best_per_second", "Inferences per second, at best.", 1.0),
    "cold_total_ns": ("farm_cold_start_seconds", "From a new process to its first output.", _SECONDS),
    "cold_total_low_ns": ("farm_cold_start_low_seconds", "Lower end of its 95 % interval.", _SECONDS),
    "cold_total_high_ns": ("farm_cold_start_high_seconds", "Upper end of its 95 % interval.", _SECONDS),
    "sustained_p50_ns": ("farm_sustained_p50_seconds", "Median once the device is warm.", _SECONDS),
    "energy_j": ("farm_energy_joules", "Energy per inference, idle power included.", 1.0),
    "peak_memory_bytes": ("farm_peak_memory_bytes", "Peak memory of the measuring process.", 1.0),
    "artifact_bytes": ("farm_artifact_bytes", "Size of what the device runs.", 1.0),
    "accuracy": ("farm_accuracy", "Accuracy on the labelled samples, in its metric's own unit.", 1.0),
    "at_unix_s": ("farm_measured_timestamp_seconds", "When it was measured, in Unix time.", 1.0),
}
"""What a number is called, by its name in the store: (family, help, factor into the base unit)."""


def headline(
    metric: str, value: float | None, low: float | None, high: float | None
) -> dict[str, float | None]:
    """A series' own number with the ends of its interval, by their names in ``FAMILIES``."""
    stem = metric.removesuffix("_ns")
    return {metric: value, f"{stem}_low_ns": low, f"{stem}_high_ns": high}


@lru_cache(maxsize=5000)
def _shown(word: str) -> str:
    """The series of a farm share their words."""
    return printable(word)


@dataclass(frozen=True)
class Exposed:
    """One series' newest measurement. ``values``: by the names of ``FAMILIES``; None is left out, and so is
    every number of a measurement that is not believed."""

    key: SeriesKey
    series: str
    verdict: str
    values: Mapping[str, float | None]

    def labels(self) -> list[str]:
        """The values of ``LABELS``. The verdict and what is simulated go with every number."""
        key = self.key
        options = " ".join([f"{name}={value}" for name, value in sorted(key.options.items())])
        words = (self.series, key.model, key.device, key.profile, key.format, key.runtime, key.precision)
        more = (str(key.threads), key.scenario, options, key.origin or MEASURED, self.verdict or "none")
        every = words + more
        return [_shown(word) if len(word) <= LABEL_LIMIT else printable(word, LABEL_LIMIT) for word in every]

    def numbers(self) -> Iterable[tuple[str, float]]:
        """(name in ``FAMILIES``, value in the base unit)."""
        if self.verdict in BELIEVED:
            for name, value in self.values.items():
                if value is not None and name in FAMILIES:
                    yield name, float(value) * FAMILIES[name][2]
