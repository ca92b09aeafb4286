"""An engine that the device itself builds."""

from __future__ import annotations

from dataclasses import field
from typing import Dict, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob


@dataclass(frozen=True)
class BuildPlan:
    """How the prepared ONNX file becomes an engine on the device.

    ``precision``: asked for. ``builds``: how many engines to build and time; the results keep all of them,
    since builders choose kernels by timing and two builds differ. ``timing_cache``: of this device's class,
    from an earlier build. ``options``: of the builder, as the profile's target hands them over.
    """

    precision: str
    builds: int = 1
    workspace_bytes: int = 0
    timing_cache: Optional[Blob] = None
    calibration: Optional[Blob] = None
    options: Dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Engine:
    """One build. ``latency_ns``: median of its short timing, None where it was not timed."""

    blob: Blob
    seconds: float
    latency_ns: Optional[float] = None


@dataclass(frozen=True)
class BuildReport:
    """``typed``: strong (the graph carries the types) or weak (builder flags). ``device_class``: GPU, driver
    and TensorRT version together: an engine runs only where all are the same. ``chosen``: index of the engine
    that was measured. ``layers``: operators per executed precision, from the engine inspector. ``reused``:
    the engines were built for an earlier job on this device; nothing was built now."""

    typed: str
    device_class: str
    engines: Tuple[Engine, ...]
    chosen: int = 0
    timing_cache: Optional[Blob] = None
    layers: Dict[str, int] = field(default_factory=dict)
    log_tail: str = ""
    reused: bool = False
