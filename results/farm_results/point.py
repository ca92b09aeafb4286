"""One night's number of a series: what trends, detectors and charts work on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Point:
    """A stored result in a row of its series. ``value`` is None where nothing was measured; ``verdict`` says
    whether it may be believed; ``segment`` changes where the device's surroundings did."""

    job_id: str
    run_id: str
    at_unix_s: float
    status: str
    verdict: str
    value: float | None
    low: float | None
    high: float | None
    between_cv: float | None
    segment: str
    model_sha256: str
    artifact_sha256: str
    runtime_version: str
    energy_j: float | None = None
    peak_memory_bytes: int | None = None
    accuracy: float | None = None
    origin: str = ""

    @property
    def usable(self) -> bool:
        """Whether a detector may look at it."""
        return usable(self.status, self.verdict, self.value)


def usable(status: str, verdict: str, value: float | None) -> bool:
    """Whether a number may be believed: measured, and neither invalid nor throttled."""
    return value is not None and status == "ok" and verdict in ("valid", "noisy")
