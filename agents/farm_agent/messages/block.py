"""One measured process: how it is to be measured, and what came out of it."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob
from farm_agent.messages.gate import GateReport
from farm_agent.messages.observed import Observed


@dataclass(frozen=True)
class BlockPlan:
    """How one configuration is measured: ``blocks`` fresh processes, each warmed up until steady.

    A block ends when it has ``min_time_ns``, ``min_runs`` and a 95 % interval of the median of at most
    ``ci_half_width`` (a share of the median; 0: not asked for) to each side, or at ``max_time_ns``.
    """

    blocks: int = 3
    min_time_ns: int = 1_000_000_000
    min_runs: int = 100
    max_time_ns: int = 60_000_000_000
    warmup_min_ns: int = 500_000_000
    warmup_min_runs: int = 20
    warmup_max_ns: int = 30_000_000_000
    ci_half_width: float = 0.0


@dataclass(frozen=True)
class MemoryPhase:
    """Memory of the measured process, read from outside at the end of a phase. None: the kernel does not say.

    Phases in order: started, imported, loaded, first-inference, measured. ``harness_bytes``: how
    much of it the timed loop's own sample buffers are; the model's memory is without them.
    ``device_available_bytes``: MemAvailable of the whole device, whose fall since ``imported`` shows what a
    GPU that shares the memory took (its memory counts to no process).
    """

    phase: str
    rss_bytes: Optional[int]
    peak_rss_bytes: Optional[int]
    pss_bytes: Optional[int] = None
    uss_bytes: Optional[int] = None
    swap_bytes: Optional[int] = None
    harness_bytes: int = 0
    device_available_bytes: Optional[int] = None


@dataclass(frozen=True)
class BlockResult:
    """One fresh process: its samples (gzip of little-endian int64 rows in ns) and its phases.

    ``columns`` names what a row holds; the latency of a row is end minus its first time (scheduled or
    start). ``point``: where this block lies on a scenario's curve ({"streams": "2"});
    ``state``: what the scenario arranged before or during it ({"page_cache": "cold"}). ``fallback``: why the
    harness is not native.

    ``calls_per_sample``: inferences back to back in one row, more than 1 where one alone is too short for
    the timer. A row's latency is then that of all of them: whoever shows a latency divides by it, and its
    percentiles are those of means of so many. ``count`` counts rows.

    ``ended``: ci (interval rule met after the floors), floor (no interval was asked for), cap (the time or
    the rows ran out), runs (a scenario's own number). ``ci_half_width``: the median's 95 % interval at the
    end, the larger side as a share of the median; None: too few rows to tell.
    """

    index: int
    samples: Blob
    count: int
    import_ns: int
    load_ns: int
    first_inference_ns: int
    warmup_runs: int
    warmup_ns: int
    steady: bool
    ended: str
    harness: str
    timer_step_ns: int
    timer_cost_ns: int
    memory: Tuple[MemoryPhase, ...]
    cpu_pressure_pct: Optional[float] = None
    columns: Tuple[str, ...] = ("start", "end")
    point: Dict[str, str] = field(default_factory=dict)
    calls_per_sample: int = 1
    fallback: str = ""
    ci_half_width: Optional[float] = None
    observed: Optional[Observed] = None
    gate: Optional[GateReport] = None
    traces: Optional[Blob] = None
    state: Dict[str, str] = field(default_factory=dict)
