"""From single kernels to one row per layer."""

from __future__ import annotations

import math
import statistics
from dataclasses import replace
from typing import Dict, List, Sequence, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.layers import Layer

# A model has fewer layers; a broken profile may claim any number.
MOST_LAYERS = 20_000
NAME_LIMIT = 300
# In any unit of time that a profiler prints; sums and products of such times stay finite.
LONGEST = 1e15


@dataclass(frozen=True)
class Kernel:
    """One kernel of one inference: what it is (without times and index), and how long it took by itself.

    ``key`` tells layers apart that have the same name."""

    layer: Layer
    us: float
    key: str = ""


def combine(inferences: Sequence[Sequence[Kernel]]) -> Tuple[Tuple[Layer, ...], Tuple[float, ...]]:
    """One row per layer in the order of first appearance, and each inference's sum in microseconds.

    A layer that runs several times in an inference (a loop's body) counts with the sum of its times.
    """
    kinds: Dict[Tuple[str, ...], Layer] = {}
    counts: Dict[Tuple[str, ...], int] = {}
    times: Dict[Tuple[str, ...], List[float]] = {}
    for number, kernels in enumerate(inferences):
        for kernel in kernels:
            layer = kernel.layer
            key = (layer.name, layer.op_type, layer.unit, kernel.key)
            if key not in kinds:
                if len(kinds) >= MOST_LAYERS:
                    continue
                kinds[key], counts[key], times[key] = layer, 0, [0.0] * len(inferences)
            elif kinds[key].status != "run" and layer.status == "run":
                kinds[key] = layer
            counts[key] += layer.status == "run"
            times[key][number] += kernel.us
    layers = tuple(
        _timed(replace(kinds[key], index=index, count=counts[key]), times[key])
        for index, key in enumerate(kinds)
    )
    return layers, tuple(sum(kernel.us for kernel in kernels) for kernels in inferences)


def short(text: object) -> str:
    """A name out of a profile, printable and bounded."""
    return "".join(letter if letter.isprintable() else " " for letter in str(text)[:NAME_LIMIT])


def number(value: object) -> float:
    """``value`` as a time that is not negative, nor longer than any run. Raises ValueError, TypeError."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError(f"{str(value)[:40]!r} is no number")
    try:
        found = float(value)
    except OverflowError:
        found = math.inf
    if not 0 <= found <= LONGEST:  # not a number is neither
        raise ValueError(f"{str(value)[:40]!r} is no time")
    return found


def _timed(layer: Layer, times_us: Sequence[float]) -> Layer:
    if layer.status != "run" or not times_us:
        return layer
    return replace(
        layer,
        mean_us=statistics.fmean(times_us),
        median_us=statistics.median(times_us),
        min_us=min(times_us),
        max_us=max(times_us),
    )
