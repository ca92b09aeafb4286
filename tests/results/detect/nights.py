"""Points of nights, spelled once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from farm_results.point import Point

DAY_S = 86_400.0


def point(night: int, value: float | None, **changes: Any) -> Point:
    """One valid night."""
    base = Point(
        job_id=f"job-{night}",
        run_id=f"run-{night}",
        at_unix_s=DAY_S * night,
        status="ok",
        verdict="valid",
        value=value,
        low=None,
        high=None,
        between_cv=0.01,
        segment="one",
        model_sha256="",
        artifact_sha256="",
        runtime_version="",
    )
    return replace(base, **changes)


def points(values: Sequence[float], **changes: Any) -> list[Point]:
    """A night for each value."""
    return [point(night, float(value), **changes) for night, value in enumerate(values)]
