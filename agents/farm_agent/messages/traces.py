"""What sensors told over time, on the clock of the samples."""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent.late import dataclass


@dataclass(frozen=True)
class Channel:
    """One quantity of a sensor.

    ``kind`` names the quantity with its unit: temperature_c, frequency_khz, power_w, energy_j (a counter that
    only grows, but for its wrap at ``wraps_at``), voltage_v, current_a, count, load_pct, level_pct,
    memory_bytes, charge_state (1 unknown, 2 charging, 3 discharging, 4 not charging, 5 full). Of throttling
    tell: throttle_state (being slowed down while above 0), throttle_count and throttle_time_ms (slowed down
    when it grew), flags (bits 0-3 are what is wrong now, 16-19 the same since boot). ``scope`` says what a
    power or energy value covers: module_input, rail, rail_sum, soc_rails, package, core, dram, gpu, battery,
    platform, wall, input, and unknown for a rail that may be part of another: it is never summed.
    ``quantum``: the smallest step the sensor can show; ``update_s``: how often the sensor itself takes a new
    value, however often it is read; ``gain``: standard uncertainty of its scale as its maker states it, a
    share of the value. None: not known.
    """

    name: str
    kind: str
    scope: str = ""
    quantum: Optional[float] = None
    wraps_at: Optional[float] = None
    update_s: Optional[float] = None
    gain: Optional[float] = None


@dataclass(frozen=True)
class Trace:
    """Values of one channel. ``times_ns``: CLOCK_MONOTONIC of the device, when the value was read.

    ``missed`` reads failed; ``problem`` is why the last of them did. ``read_ns``: how long a read took, at
    most, in 95 % of them; the time of a value is the middle of its read.
    """

    sensor: str
    channel: Channel
    times_ns: Tuple[int, ...] = ()
    values: Tuple[float, ...] = ()
    missed: int = 0
    problem: str = ""
    read_ns: int = 0


@dataclass(frozen=True)
class TraceFile:
    """The content of a block's ``block-K.traces.gz``: gzip of the JSON of this message.

    ``unavailable``: sensors that were asked for and could not be read at all, and why.
    """

    traces: Tuple[Trace, ...] = ()
    unavailable: Tuple[Tuple[str, str], ...] = ()
