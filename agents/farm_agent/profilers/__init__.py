"""One file per runtime's profiler: a pure parser, and a function that runs it.

A file that runs one provides

    SOURCE                                        its word in LayerProfile.source
    profile(session, request) -> Profiled         ``session``: the runtime's, loaded and bound

Raises MeasurementError layers.unreadable, or what the runtime raises: the caller makes a problem of it.
"""

from __future__ import annotations

import importlib
import time
from typing import Any, Callable, Dict, List, Mapping, Tuple

from farm_agent import faults
from farm_agent.errors import MeasurementError
from farm_agent.late import dataclass
from farm_agent.messages.layers import Layer

RUNTIMES = {"onnxruntime": "ort", "openvino": "openvino", "litert": "litert"}


@dataclass(frozen=True)
class ProfileRequest:
    """``path``: the artifact's first file; ``feed``: the inputs by the artifact's names; ``warmup`` and
    ``runs``: profiled inferences that are dropped and kept."""

    path: str
    options: Mapping[str, Any]
    feed: Mapping[str, Any]
    warmup: int
    runs: int


@dataclass(frozen=True)
class Profiled:
    """``sums_us``: the layers' sum of each kept inference (empty: the profiler keeps none).

    ``wholes_us``: the time of each of them, by our clock around it; ``unit``: the one asked for;
    ``clean_us``: whole inferences with the profiler off, where they run in another way than the session's.
    """

    layers: Tuple[Layer, ...]
    sums_us: Tuple[float, ...]
    wholes_us: Tuple[float, ...]
    unit: str = ""
    clean_us: Tuple[float, ...] = ()


def load(runtime: str) -> Any:  # noqa: ANN401 - a module with the functions above
    """The profiler of a runtime. Raises MeasurementError ``layers.no-profiler``."""
    if runtime not in RUNTIMES:
        raise MeasurementError(
            f"farm knows no profiler of {runtime}; it has those of {', '.join(sorted(RUNTIMES))}",
            code="layers.no-profiler",
            fix="leave out --profile-ops for this runtime",
        )
    return importlib.import_module(f"farm_agent.profilers.{RUNTIMES[runtime]}")


def timed(call: Callable[[], Any], runs: int) -> List[float]:
    """Whole inferences in microseconds, one after another."""
    found: List[float] = []
    for _ in range(runs):
        began = time.perf_counter_ns()
        call()
        found.append((time.perf_counter_ns() - began) / 1000.0)
    return found


def unreadable(what: str, why: object) -> MeasurementError:
    """The one error of every parser here."""
    return MeasurementError(
        f"{what} cannot be read: {faults.shorten(str(why), 200)}",
        code="layers.unreadable",
        fix="report the runtime's version; the latency of the same run is unharmed",
    )


def table(value: object) -> Dict[str, Any]:
    """``value`` if it is a JSON object, else an empty one."""
    return value if isinstance(value, dict) else {}
