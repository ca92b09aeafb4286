"""The table ``[nightly]`` of the settings: what is measured every night, and how."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

WEEKLY, NEVER = "weekly", "never"


@dataclass(frozen=True)
class Matrix:
    """Models x devices x targets x scenarios. Empty tuples mean: what the device's profile prefers; no model:
    the bundled one. ``priority``: each step counts like twice the age."""

    models: tuple[Path, ...] = ()
    devices: tuple[str, ...] = ("all",)
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    batch: tuple[int, ...] = ()
    scenarios: tuple[str, ...] = ("latency",)
    data: Path | None = None
    priority: int = 0


@dataclass(frozen=True)
class NightlySettings:
    """``budget_s``: measuring time per device and night. ``pairs``: of an A/B. ``trigger_z``: from which robust
    z on a number is looked into. ``aa``: weekly, or never. ``canary``: the bundled network on every device,
    too. ``notify``: the words that are told; ``resume_within_s``: an older broken night is given up."""

    matrices: tuple[Matrix, ...] = ()
    budget_s: float = 2 * 3600.0
    pairs: int = 20
    trigger_z: float = 1.5
    aa: str = WEEKLY
    canary: bool = True
    notify: tuple[str, ...] = ("regression", "device changed", "silent")
    resume_within_s: float = 12 * 3600.0
    blocks: int | None = None
    min_time_s: float | None = None
    min_runs: int = 100
    smoke: bool = False
    gate: bool = True
    wait_s: float = 1800.0
    pair_min_time_s: float | None = None
