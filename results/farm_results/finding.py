"""What a night found of a series, and what people made of it."""

from __future__ import annotations

from dataclasses import dataclass

REGRESSION, IMPROVEMENT, ENVIRONMENT = "regression", "improvement", "environment changed"
INCONCLUSIVE, SILENT, CANARY = "inconclusive", "silent", "device changed"
WORDS = (REGRESSION, IMPROVEMENT, ENVIRONMENT, INCONCLUSIVE, SILENT, CANARY)
NEW, ACKNOWLEDGED, EXPECTED, INVALID, ACCEPTED = "new", "acknowledged", "expected", "invalid", "accepted"
STATES = (NEW, ACKNOWLEDGED, EXPECTED, INVALID, ACCEPTED)


@dataclass(frozen=True)
class Cause:
    """Something that differs, and how much it explains in words: surroundings, toolchain, artifact, model,
    layer, git, canary, last night or trust (what the device's own A/As say of it)."""

    kind: str
    text: str


@dataclass(frozen=True)
class Finding:
    """``effect``: candidate over reference less one, from the A/B on the device where there was one
    (``comparison_id``), with its interval [low, high]. ``trigger_z``: the robust z that called for it.
    ``state``: new, acknowledged, expected, invalid or accepted (as the new baseline).
    """

    finding_id: str
    night_id: str
    series: str
    device: str
    model: str
    at_unix_s: float
    word: str
    job_id: str = ""
    reference_job_id: str = ""
    comparison_id: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    trigger_z: float | None = None
    causes: tuple[Cause, ...] = ()
    message: str = ""
    state: str = NEW
    note: str = ""
    origin: str = ""
