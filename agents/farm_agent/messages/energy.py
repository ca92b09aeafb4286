"""The energy windows of a job: idle, load signature, busy, signature, idle; on the device's clock."""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob


@dataclass(frozen=True)
class EnergyPlan:
    """``sensors``: the device's own, by name; empty means every one that can be read. ``signature``: make a
    pattern of load around the busy window that an external meter can be aligned by: three bursts of
    ``burst_ns``, each followed by as long a pause.
    """

    window_ns: int = 30_000_000_000
    idle_ns: int = 10_000_000_000
    sensors: Tuple[str, ...] = ()
    signature: bool = False
    burst_ns: int = 1_000_000_000


@dataclass(frozen=True)
class Window:
    """``name``: idle-before, signature-before, busy, signature-after, idle-after. ``other_cpu_pct``: what
    other programs used meanwhile, in percent of one CPU; None: not known, or a signature."""

    name: str
    start_ns: int
    end_ns: int
    other_cpu_pct: Optional[float] = None


@dataclass(frozen=True)
class EnergyRun:
    """One process that inferred back to back for the whole busy window. ``edges_ns``: the begin and end of
    each burst of load in the signatures, in order. ``traces``: a TraceFile beside the samples.
    ``unavailable``: (sensor, why, what to do) of each that was asked for and cannot be read here.
    ``error_code``, ``error_message``: why there are no windows, where the run itself failed.
    """

    windows: Tuple[Window, ...]
    inferences: int
    harness: str
    edges_ns: Tuple[int, ...] = ()
    traces: Optional[Blob] = None
    unavailable: Tuple[Tuple[str, str, str], ...] = ()
    error_code: str = ""
    error_message: str = ""
