"""What a device tells when it is examined, not measured: a real inference, every sensor, its surroundings."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel


@dataclass(frozen=True)
class Trial:
    """One real inference in one runtime, on a network whose answer is known.

    ``problem`` and ``fix`` are empty when the answer was right. ``harness``: which timed loop ran it, and
    ``fallback`` why it was not the native one. ``infer_ns``: the fastest of a few inferences, for a first
    impression only.
    """

    runtime: str
    version: str = ""
    harness: str = ""
    fallback: str = ""
    infer_ns: Optional[int] = None
    code: str = ""
    problem: str = ""
    fix: str = ""


@dataclass(frozen=True)
class SensorReading:
    """One read of one sensor; ``code``, ``problem`` and ``fix`` say why there is none."""

    sensor: str
    purpose: str = ""
    channels: Tuple[Channel, ...] = ()
    values: Dict[str, float] = field(default_factory=dict)
    code: str = ""
    problem: str = ""
    fix: str = ""


@dataclass(frozen=True)
class Neighbour:
    """Another program that used a CPU while it was looked at. ``cpu_pct``: in percent of one CPU."""

    name: str
    pid: int
    user: str
    cpu_pct: float


@dataclass(frozen=True)
class PowerSupply:
    """One folder of /sys/class/power_supply. ``kind``: Battery, Mains, USB; ``status``: Charging ..."""

    name: str
    kind: str
    status: str = ""
    level_pct: Optional[int] = None
    online: Optional[bool] = None


@dataclass(frozen=True)
class Surroundings:
    """What may disturb a measurement here. None or empty: the kernel does not say, never a guess.

    ``governors``: by frequency policy; ``turbo``: whether the processor may exceed its base clock;
    pressures: percent of the last 10 s in which some task waited; ``steal_pct``: time the hypervisor took
    from all CPUs, in percent of one; ``package_jobs``: package managers at work now; ``package_timers``:
    those that systemd starts by itself; ``passive_c``: the lowest temperature at which the kernel slows
    the device down; ``scheduler`` of the agent (other, fifo, rr, batch, idle); ``rt_runtime_us``
    of each ``rt_period_us`` is what real-time processes may use.
    """

    governors: Dict[str, str] = field(default_factory=dict)
    turbo: Optional[bool] = None
    cpu_pressure_pct: Optional[float] = None
    memory_pressure_pct: Optional[float] = None
    io_pressure_pct: Optional[float] = None
    load_1m: Optional[float] = None
    cores: int = 1
    neighbours: Tuple[Neighbour, ...] = ()
    steal_pct: Optional[float] = None
    virtual_machine: str = ""
    container: str = ""
    memory_bytes: Optional[int] = None
    available_bytes: Optional[int] = None
    swap_bytes: Optional[int] = None
    swap_free_bytes: Optional[int] = None
    package_jobs: Tuple[str, ...] = ()
    package_timers: Tuple[str, ...] = ()
    supplies: Tuple[PowerSupply, ...] = ()
    clock_synchronised: Optional[bool] = None
    clocksource: str = ""
    clocksources: Tuple[str, ...] = ()
    scheduler: str = ""
    rt_runtime_us: Optional[int] = None
    rt_period_us: Optional[int] = None
    passive_c: Optional[float] = None
