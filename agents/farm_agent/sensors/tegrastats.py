"""Load, clocks, memory, temperatures and rails of a Jetson through NVIDIA's tegrastats.

It is telemetry: one child process that prints a line per interval, during every block. Its powers are
channels too, with the same meaning of rails as ``ina3221``, which reads the chips directly and is the one
to prefer for energy: here a value may be as old as the interval.
"""

from __future__ import annotations

import time
from typing import Dict, List, Optional, Tuple

from farm_agent.messages.traces import Channel
from farm_agent.sensors import Probe, SensorError, thermal
from farm_agent.sensors.common import jetson_rails, plausible, tegrastats_line
from farm_agent.sensors.common.attempt import attempt
from farm_agent.sensors.common.jetson_rails import Semantics
from farm_agent.sensors.common.lines import LineProcess
from farm_agent.sensors.common.tegrastats_line import Line, parse

__all__ = ["PURPOSE", "Line", "open", "parse", "probe"]

PURPOSE = "telemetry"
INTERVAL_S = 0.2
FIRST_LINE_S = 5.0


def row_of(line: Line) -> Optional[Semantics]:
    """What the rails of the board that printed this line mean."""
    return jetson_rails.semantics_of(list(line.powers_w))


def values_of(line: Line, row: Optional[Semantics]) -> Dict[str, float]:
    """A line's numbers by channel name; rails and temperature sensors of one name stay apart.

    ``row`` is of the board, not of the line: a line that lacks a rail has no total.
    """
    values: Dict[str, float] = {"ram_used": line.ram_used_bytes}
    if line.swap_used_bytes is not None:
        values["swap_used"] = line.swap_used_bytes
    for index, core in enumerate(line.cores):
        if core is not None:
            values[f"load/cpu{index}"] = core.load_pct
            values[f"clock/cpu{index}"] = core.mhz * 1000
    for name, unit in line.units.items():
        if unit.load_pct is not None:
            values[f"load/{name}"] = unit.load_pct
        for index, mhz in enumerate(unit.mhz):
            values[f"clock/{name}/{index}"] = mhz * 1000
    for name, celsius in line.temperatures_c.items():
        if thermal.tells_temperature(name):
            values[f"temperature/{name}"] = celsius
    powers = dict(line.powers_w, **jetson_rails.total_w(line.powers_w, row))
    values.update({f"power/{rail}": watts for rail, watts in powers.items()})
    return values


def channels_of(line: Line, update_s: float = INTERVAL_S) -> List[Channel]:
    """The channels of a device that prints such lines; a core that is off has its channels all the same."""
    row = row_of(line)
    names = list(values_of(line, row))
    for index, core in enumerate(line.cores):
        if core is None:
            names += [f"load/cpu{index}", f"clock/cpu{index}"]
    return [_channel(name, row, update_s) for name in names]


def _channel(name: str, row: Optional[Semantics], update_s: float) -> Channel:
    group, _, rest = name.partition("/")
    if group == "power":
        total = row is not None and rest == jetson_rails.TOTAL
        scope = row.scope if row is not None and total else jetson_rails.scope_of(rest, row)
        return Channel(name, "power_w", scope, 0.001, None, update_s)
    kind, quantum = {
        "load": ("load_pct", 1.0),
        "clock": ("frequency_khz", 1000.0),
        "temperature": ("temperature_c", 0.001),
    }.get(group, ("memory_bytes", float(tegrastats_line.MIB)))
    return Channel(name, kind, "", quantum, None, update_s)


class Tegrastats:
    """The newest line of one child process."""

    def __init__(self, command: str, interval_s: float) -> None:
        self.interval_s = interval_s
        self._process = LineProcess([command, "--interval", str(int(interval_s * 1000))])
        try:
            self._line = self._newest(FIRST_LINE_S)
        except SensorError:
            self.close()
            raise
        self._row = row_of(self._line)
        self.channels: Tuple[Channel, ...] = tuple(channels_of(self._line, interval_s))
        self._came = time.monotonic()

    def _newest(self, seconds: float) -> Line:
        lines = self._process.wait(seconds)
        if not lines:
            raise SensorError(f"tegrastats printed no line within {seconds:g} s", code="sensor.timeout")
        return parse(lines[-1])

    def read(self) -> Dict[str, float]:
        """The newest line's values. Raises SensorError when it is older than three intervals."""
        age = time.monotonic() - self._came
        try:
            self._line = self._newest(0.0)
            self._came = time.monotonic()
        except SensorError as error:
            if error.code != "sensor.timeout" or age > 3 * self.interval_s:
                raise
        return plausible.keep(self.channels, values_of(self._line, self._row))

    def close(self) -> None:
        """End the child."""
        self._process.close()


def probe(command: str = "tegrastats") -> Probe:
    """Available where a first line comes."""
    return attempt(lambda: open(command))


def open(command: str = "tegrastats", interval_s: float = INTERVAL_S) -> Tegrastats:  # noqa: A001 - the seam's name
    """Start it. Raises SensorError ``sensor.unavailable``, ``sensor.timeout``, ``sensor.bad-text``."""
    return Tegrastats(command, interval_s)
