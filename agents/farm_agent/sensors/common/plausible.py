"""Which values can be true at all. One table for every sensor and meter.

The bounds are generous: they are to catch a gated sensor (-256 degrees), the garbage of a first packet
(188 V), a wrong unit and a counter's overflow, not to judge a device.
"""

from __future__ import annotations

from typing import Any, Dict, Iterable, Mapping, Tuple

from farm_agent.messages.traces import Channel

# Lowest and highest value by kind, both included.
BOUNDS: Dict[str, Tuple[float, float]] = {
    "temperature_c": (-60.0, 200.0),
    "frequency_khz": (0.0, 2e7),
    "power_w": (0.0, 2000.0),
    "energy_j": (0.0, 1e13),
    "voltage_v": (0.0, 60.0),
    "current_a": (-60.0, 60.0),
    "flags": (0.0, 2.0**32 - 1),
    "count": (0.0, 2.0**53),
    "throttle_count": (0.0, 2.0**53),
    "throttle_state": (0.0, 1e6),
    "throttle_time_ms": (0.0, 2.0**53),
    "load_pct": (0.0, 100.0),
    "level_pct": (0.0, 100.0),
    "charge_state": (1.0, 5.0),
    "memory_bytes": (0.0, 2.0**50),
}
# Kinds whose bounds are others where the scope says so: mains, and discrete GPUs with many amperes.
SCOPED: Dict[Tuple[str, str], Tuple[float, float]] = {
    ("voltage_v", "wall"): (0.0, 500.0),
    ("power_w", "wall"): (0.0, 20_000.0),
}


def plausible(kind: str, value: Any, scope: str = "") -> bool:  # noqa: ANN401 - judged here
    """Whether ``value`` is a finite number within the bounds of its kind; False for an unknown kind."""
    bounds = SCOPED.get((kind, scope)) or BOUNDS.get(kind)
    if bounds is None or isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    # NaN is in no interval, infinity in none of these; an int too big for a float compares all the same.
    return bounds[0] <= value <= bounds[1]


def keep(channels: Iterable[Channel], values: Mapping[str, float]) -> Dict[str, float]:
    """The plausible values of these channels; whatever else was read is left out."""
    return {
        channel.name: float(values[channel.name])
        for channel in channels
        if channel.name in values and plausible(channel.kind, values[channel.name], channel.scope)
    }
