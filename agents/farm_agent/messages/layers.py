"""Time per layer, from the runtime's own profiler, in a process of its own: never the timed one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Dict, Optional, Tuple


@dataclass(frozen=True)
class Layer:
    """One row. ``unit``: execution provider, delegate or device that ran it; ``status``: run, fused, not_run
    or unprofilable; ``precision`` in our words, "" where the profiler does not tell; times per inference."""

    index: int
    name: str
    op_type: str
    status: str = "run"
    kernel: str = ""
    unit: str = ""
    precision: str = ""
    count: int = 0
    mean_us: Optional[float] = None
    median_us: Optional[float] = None
    min_us: Optional[float] = None
    max_us: Optional[float] = None
    input_shapes: str = ""
    output_shapes: str = ""
    fused_from: Tuple[str, ...] = ()
    raw: Dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class LayerProfile:
    """``source``: ort, ov, litert or trt. ``sum_us`` of the layers' means; ``inference_us``: median time of
    a whole inference in the profiling process, so that coverage = sum_us / inference_us."""

    source: str
    layers: Tuple[Layer, ...]
    runs: int
    sum_us: Optional[float] = None
    inference_us: Optional[float] = None
    problem: str = ""
