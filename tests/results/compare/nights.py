"""Made nights of a series, for tests of what compares them."""

from __future__ import annotations

from typing import Any

import numpy as np

from farm_results.model import Result
from farm_results.point import Point
from tests.results.made import latency, result

FACTS = {"cpu": "Cortex-A72", "cores": 4, "machine": "aarch64", "kernel": "6.1", "memory_bytes": 4 << 30}
ARTIFACT, OTHER = "a" * 64, "b" * 64


def measured(
    job: str, p50_ns: float = 5e6, *, cv: float = 0.004, facts: Any = FACTS, **changes: Any
) -> Result:
    """A result on a device that is known, with an interval of half a percent."""
    summary = latency(p50_ns=p50_ns, p50_low_ns=p50_ns * 0.995, p50_high_ns=p50_ns * 1.005, between_cv=cv)
    values = {"latency": summary, "artifact_sha256": ARTIFACT, "document": {"facts": facts, "spec": {}}}
    return result(job, **{**values, **changes})


def history(
    count: int = 30, *, sigma: float = 0.01, level_ns: float = 5e6, seed: int = 1, **changes: Any
) -> list[Point]:
    """Nights of the same artifact that only noise tells apart."""
    values = level_ns * np.exp(np.random.default_rng(seed).normal(0, sigma, count))
    base: dict[str, Any] = {
        "status": "ok",
        "verdict": "valid",
        "low": None,
        "high": None,
        "between_cv": 0.004,
        "segment": "s",
        "model_sha256": "d" * 64,
        "artifact_sha256": ARTIFACT,
        "runtime_version": "1.23.0",
    }
    return [
        Point(job_id=f"night-{k}", run_id="r", at_unix_s=float(k), value=float(value), **{**base, **changes})
        for k, value in enumerate(values)
    ]
