"""Preflight and pinning: what the device must be like before a block, and what was set and restored."""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent.late import dataclass


@dataclass(frozen=True)
class GatePlan:
    """When a block may begin. ``max_wait_s`` bounds the waiting for quiet, ``cooldown_max_s`` that for cold.

    ``temperature_c``: start below it where known; ``rise_c``: and at most that far above the temperature
    that the idle device had; ``memory_factor``: free memory in sizes of the model's files.
    """

    max_wait_s: float = 60.0
    cpu_pressure_pct: float = 5.0
    temperature_c: Optional[float] = None
    rise_c: float = 5.0
    slope_c_per_min: float = 1.0
    cooldown_max_s: float = 300.0
    memory_factor: float = 3.0
    battery_pct: float = 20.0


@dataclass(frozen=True)
class GateCheck:
    """One condition at the end of the waiting. ``name``: cpu-pressure, temperature, throttle, memory,
    package-jobs, swap, battery, other-job. ``value`` and ``limit`` are None where it has none."""

    name: str
    passed: bool
    text: str
    value: Optional[float] = None
    limit: Optional[float] = None
    fix: str = ""


@dataclass(frozen=True)
class GateReport:
    """How the waiting ended. ``warm_start``: it began warmer than wished, after ``cooldown_max_s``."""

    passed: bool
    waited_s: float
    attempts: int
    checks: Tuple[GateCheck, ...]
    warm_start: bool = False


@dataclass(frozen=True)
class PinPlan:
    """What to pin while the job runs; "" leaves it alone and only records it.

    ``governor``: a cpufreq governor; ``turbo``: "off"; ``power_mode``: a number for nvpmodel; ``clocks``:
    "max" for jetson_clocks; ``affinity``: "auto" (the fastest cluster), "all", or a list like "0-3,6";
    ``fixed_performance``: "on", Android's mode of that name.
    """

    governor: str = ""
    turbo: str = ""
    power_mode: str = ""
    clocks: str = ""
    affinity: str = ""
    fixed_performance: str = ""


@dataclass(frozen=True)
class Pin:
    """One thing that was pinned, or why it could not be. ``restored`` is None while the job runs."""

    name: str
    old: str
    new: str
    problem: str = ""
    restored: Optional[bool] = None
