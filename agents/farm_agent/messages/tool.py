"""What a runtime's own benchmark tool reported: its protocol, never ours."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.observed import Observed


@dataclass(frozen=True)
class ToolReport:
    """``protocol``: the tool's name and version (``benchmark_app/2026.4``). Times in ns, None where the tool
    does not print it; ``resolution_ns``: the step its output is rounded to. ``argv``: what was run;
    ``observed``: what disturbed it, from its start to its end, loading included."""

    tool: str
    protocol: str
    argv: Tuple[str, ...] = ()
    count: Optional[int] = None
    median_ns: Optional[float] = None
    mean_ns: Optional[float] = None
    min_ns: Optional[float] = None
    max_ns: Optional[float] = None
    stdev_ns: Optional[float] = None
    percentiles_ns: Dict[str, float] = field(default_factory=dict)
    throughput_per_s: Optional[float] = None
    load_ns: Optional[float] = None
    first_inference_ns: Optional[float] = None
    resolution_ns: Optional[float] = None
    executed_precision: str = ""
    details: Dict[str, Any] = field(default_factory=dict)
    caveats: Tuple[str, ...] = ()
    observed: Optional[Observed] = None
