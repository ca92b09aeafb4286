"""One measured process: how it is to be measured, and what came out of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Dict, Optional, Tuple

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

    Phases in order: started, imported, loaded, first-inference, measured.
    """

    phase: str
    rss_bytes: Optional[int]
    peak_rss_bytes: Optional[int]
    pss_bytes: Optional[int] = None
    uss_bytes: Optional[int] = None
    swap_bytes: Optional[int] = None


@dataclass(frozen=True)
class BlockResult:
    """One fresh process: its samples (gzip of little-endian int64 rows in ns) and its phases.

    ``columns`` names what a row holds; the latency of a row is end minus its first time (scheduled or
    start). ``point``: where this block lies on a scenario's curve ({"streams": "2"}). ``calls_per_sample``:
    inferences in one row; ``fallback``: why the harness is not native; ``ci_half_width``: reached, a share
    of the median.
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
