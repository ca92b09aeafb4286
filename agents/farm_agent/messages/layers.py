"""Time per layer, from the runtime's own profiler, in a process of its own: never the timed one."""

from __future__ import annotations

from dataclasses import field
from typing import Any, Dict, Optional, Tuple

from farm_agent.late import dataclass


@dataclass(frozen=True)
class Layer:
    """One row. ``unit``: execution provider, delegate or device that ran it; ``status``: run, fused, not_run
    or unprofilable; ``precision`` in our words, "" where the profiler does not tell; times per inference,
    without what ran inside it as a row of its own; ``count``: kernels seen over all profiled inferences."""

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
    """``source``: ort, ov, litert or trt.

    ``sum_us``: median over the inferences of the layers' sum, or the sum of their means where a profiler
    keeps no single inferences; ``inference_us``: median time of a whole inference while profiled, so that
    coverage = sum_us / inference_us; ``clean_us``: the same process before, with the profiler off.
    ``asked_unit``: the unit that the job asked for; a layer that ran on another one fell back. ``problem``:
    why there is nothing.
    """

    source: str
    layers: Tuple[Layer, ...]
    runs: int
    sum_us: Optional[float] = None
    inference_us: Optional[float] = None
    problem: str = ""
    clean_us: Optional[float] = None
    asked_unit: str = ""
