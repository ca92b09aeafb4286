"""Two artifacts measured in turns on one device: the only ground on which farm says "slower"."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from farm_results.model import Caveat

SAME, FASTER, SLOWER, INCONCLUSIVE = "same", "faster", "slower", "inconclusive"
FAILED, SKIPPED = "failed", "skipped"
UNPLAYED = (FAILED, SKIPPED)
"""Nothing was compared: it went wrong, or this device cannot do it."""


@dataclass(frozen=True)
class Side:
    """One of the two. ``label``: what a person called it; ``job_id``: the stored result it stands for, ""
    where there is none. ``medians_ns``: a time of each process, in the order of the pairs: the median of its
    runs, or what its scenario is about (``scenarios.turn_ns``)."""

    label: str
    model: str
    model_sha256: str
    artifact_sha256: str
    runtime: str
    runtime_version: str
    job_id: str = ""
    medians_ns: tuple[float, ...] = ()
    precision: str = ""
    threads: int = 0


@dataclass(frozen=True)
class Effect:
    """How much longer the candidate takes: candidate / reference - 1, with its interval at ``level`` (0.99)
    from the paired bootstrap over the pairs' log ratios. ``zone``: up to here both are called the same."""

    ratio: float
    low: float
    high: float
    level: float
    zone: float


@dataclass(frozen=True)
class Comparison:
    """``word``: same, faster, slower or inconclusive; failed or skipped where nothing was compared, with the
    ``error_*``. ``kind``: ab, or aa for an artifact against itself. ``order``: which came first in each pair,
    "rc" or "cr". ``origin``: "" or simulated."""

    comparison_id: str
    created_unix_s: float
    kind: str
    series: str
    device: str
    run_id: str
    reference: Side
    candidate: Side
    word: str
    pairs: int
    effect: Effect | None = None
    order: tuple[str, ...] = ()
    caveats: tuple[Caveat, ...] = ()
    sample_hashes: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    origin: str = ""
    scenario: str = "latency"
    error_code: str = ""
    error_message: str = ""
    error_fix: str = ""

    @property
    def played(self) -> bool:
        """Whether the two were measured."""
        return self.word not in UNPLAYED
