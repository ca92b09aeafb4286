"""Reads sensors from outside the measured process while its energy windows pass: a thread per sensor."""

from __future__ import annotations

import random
import threading
import time
from typing import Dict, List, Optional, Sequence, Tuple

from farm_agent import faults, sensors
from farm_agent.errors import FarmError
from farm_agent.late import dataclass
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.sensors import Sensor

# More often would cost more power than it tells.
FASTEST_S = 0.02
TELEMETRY_S = 0.5
MOST_READS = 200_000
JOIN_S = 5.0


@dataclass(frozen=True)
class Source:
    """An open sensor. ``interval_s``: the mean time between two reads."""

    name: str
    sensor: Sensor
    power: bool
    interval_s: float

    def updates_s(self) -> float:
        """How often it has something new to say, of power or energy."""
        known = [c.update_s for c in self.sensor.channels if c.kind in ("power_w", "energy_j", "current_a")]
        return max(self.interval_s, min((s for s in known if s is not None), default=self.interval_s))


class Reader(threading.Thread):
    """Reads one sensor until told to stop; its data are read after it ended, or gave no answer."""

    def __init__(self, source: Source, stop: threading.Event) -> None:
        super().__init__(name=f"sensor-{source.name}", daemon=True)
        self._source = source
        self._stop_event = stop
        self._rows: List[Tuple[int, Dict[str, float]]] = []
        self._took_ns: List[int] = []
        self._failed = 0
        self._problem = ""

    def run(self) -> None:
        # Random pauses: reads in step with a periodic load would see the same phase of it again and again.
        pause_s = 0.0
        while not self._stop_event.wait(pause_s) and len(self._rows) < MOST_READS:
            self.read()
            pause_s = self._source.interval_s * random.uniform(0.5, 1.5)  # noqa: S311 - no secret

    def read(self) -> None:
        """One read; a failure is kept, never raised."""
        began = time.monotonic_ns()
        try:
            values = dict(self._source.sensor.read())
        except FarmError as error:
            self._fail(error.message)
            return
        except Exception as error:  # noqa: BLE001 - a sensor may break in any way, the job goes on
            self._fail(faults.shorten(f"{type(error).__name__}: {error}"))
            return
        ended = time.monotonic_ns()
        self._took_ns.append(ended - began)
        self._rows.append(((began + ended) // 2, values))

    def _fail(self, reason: str) -> None:
        self._failed += 1
        self._problem = reason

    def traces(self) -> List[Trace]:
        """One per channel."""
        problem = f"{self._source.name} does not answer" if self.is_alive() else self._problem
        rows = list(self._rows)
        took = sorted(self._took_ns)
        typical_ns = took[min(len(took) - 1, int(0.95 * len(took)))] if took else 0
        return [self._trace(channel, rows, typical_ns, problem) for channel in self._source.sensor.channels]

    def _trace(
        self, channel: Channel, rows: Sequence[Tuple[int, Dict[str, float]]], read_ns: int, problem: str
    ) -> Trace:
        seen = [(at, values[channel.name]) for at, values in rows if channel.name in values]
        return Trace(
            sensor=self._source.name,
            channel=channel,
            times_ns=tuple(at for at, _ in seen),
            values=tuple(float(value) for _, value in seen),
            missed=self._failed + len(rows) - len(seen),
            problem=problem,
            read_ns=read_ns,
        )


class Sampler:
    """All sensors together."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._sources = sources
        self._stop_event = threading.Event()
        self._readers: List[Reader] = []

    def begin(self) -> None:
        """Start reading; a second call does nothing."""
        if not self._readers:
            self._readers = [Reader(source, self._stop_event) for source in self._sources]
            for reader in self._readers:
                reader.start()

    def end(self) -> TraceFile:
        """Stop, and everything that was read. A sensor that hangs is left behind."""
        self._stop_event.set()
        give_up = time.monotonic() + JOIN_S
        for reader in self._readers:
            reader.join(max(0.0, give_up - time.monotonic()))
        found = tuple(trace for reader in self._readers for trace in reader.traces())
        hung = {reader.name for reader in self._readers if reader.is_alive()}
        for source in self._sources:
            if f"sensor-{source.name}" not in hung:
                source.sensor.close()
        return TraceFile(found)


def open_sources(
    names: Sequence[str], *, every: bool
) -> Tuple[List[Source], Tuple[Tuple[str, str, str], ...]]:
    """The sensors that can be read, and (name, why, fix) of each power sensor that cannot.

    ``names``: those to try; empty: all that the agent knows. ``every``: telemetry, too.
    """
    found: List[Source] = []
    missing: List[Tuple[str, str, str]] = []
    for name in names or sensors.names():
        try:
            module = sensors.load(name)
            power = module.PURPOSE == "power"
            if not power and not every:
                continue
            sensor: Sensor = module.open()
        except FarmError as error:
            if _is_power(name):
                missing.append((name, error.message, error.fix))
            continue
        lacks = getattr(sensor, "lacks", None)
        if power and isinstance(lacks, FarmError):
            # A battery without calibration: it tells its level, no power.
            missing.append((name, lacks.message, lacks.fix))
            power = False
        interval_s = max(FASTEST_S if power else TELEMETRY_S, sensor.interval_s)
        found.append(Source(name, sensor, power, interval_s))
    return found, tuple(missing)


def _is_power(name: str) -> bool:
    """Also true of a name that no sensor has: somebody hoped for it."""
    try:
        purpose: Optional[str] = sensors.load(name).PURPOSE
    except FarmError:
        purpose = None
    return purpose != "telemetry"
