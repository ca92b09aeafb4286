"""One sensor, read in a thread of its own, so that one that hangs holds up nobody; and its values over time.

A value is stamped with the middle of its read, on CLOCK_MONOTONIC, the clock of the samples.
"""

from __future__ import annotations

import threading
import time
from array import array
from typing import Callable, Dict, List, Optional, Tuple

from farm_agent import faults, task
from farm_agent.errors import FarmError
from farm_agent.messages.traces import Channel, Trace
from farm_agent.sensors import Sensor
from farm_agent.sensors.common import plausible

# A read that takes longer hangs, or the sensor is of no use beside a block.
DEADLINE_S = 1.0
MOST_VALUES = 200_000
# Said of a channel that a reading left out, as of a unit that is switched off.
NO_VALUE = "it gave no value"
MOST_CHANNELS = 512
# The device has no such thing: no problem of the measurement.
ABSENT = "sensor.unavailable"


class Series:
    """The values of one channel, bounded."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.times = array("q")
        self.values = array("d")
        self.missed = 0
        self.problem = ""

    def put(self, time_ns: int, value: float) -> None:
        """Keep one value, or say why it cannot be one."""
        if not plausible.plausible(self.channel.kind, value, self.channel.scope):
            self.miss(f"it said {value!r}, which is no {self.channel.kind}")
        elif len(self.times) >= MOST_VALUES:
            self.miss(f"more than {MOST_VALUES} values")
        else:
            self.times.append(time_ns)
            self.values.append(value)

    def miss(self, why: str, count: int = 1) -> None:
        """A read that gave no value."""
        self.missed += count
        self.problem = faults.shorten(why, 200)

    def trace(self, sensor: str, read_ns: int) -> Trace:
        """As it crosses the link."""
        return Trace(
            sensor,
            self.channel,
            tuple(self.times),
            tuple(self.values),
            self.missed,
            self.problem,
            read_ns=read_ns,
        )


class Reader:
    """Reads one sensor again and again while somebody wants it. Every method but ``close`` returns at once.

    ``unavailable``: why it could not be opened, ``absent`` when that is because the device has no such thing.
    """

    def __init__(
        self,
        name: str,
        open_sensor: Callable[[], Sensor],
        interval_s: float = 0.2,
        cpus: Tuple[int, ...] = (),
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.name = name
        self.unavailable = ""
        self.absent = False
        self._open = open_sensor
        self._interval_s = interval_s
        self._cpus = cpus
        self._deadline_ns = int(deadline_s * 1e9)
        self._lock = threading.Lock()
        self._wanted, self._closed = threading.Event(), threading.Event()
        self._series: List[Series] = []
        self._latest: Dict[str, Tuple[int, float]] = {}
        self._channels: Tuple[Channel, ...] = ()
        self._busy_since: Optional[int] = None
        self._recording = 0
        self._reads = 0
        self._longest_ns: List[int] = []
        self._thread = threading.Thread(target=self._run, daemon=True, name=f"sensor-{name}")

    def start(self) -> None:
        """Open the sensor and wait until somebody wants its values."""
        self._busy_since = time.monotonic_ns()
        self._thread.start()

    def want(self, *, wanted: bool) -> None:
        """Read on, or pause."""
        if wanted:
            self._wanted.set()
        else:
            self._wanted.clear()

    def begin(self) -> None:
        """Forget what was read and keep everything from now on."""
        with self._lock:
            self._recording += 1
            self._series = [Series(channel) for channel in self._channels]
            self._longest_ns = []
        self.want(wanted=True)

    def end(self) -> Tuple[Trace, ...]:
        """What was read since ``begin``. A read that hangs is counted; it is not waited for."""
        with self._lock:
            late_ns = self._late_ns()
            if late_ns:
                for series in self._series:
                    lost = max(1, int(late_ns / 1e9 / self._interval_s))
                    series.miss(f"it has not answered for {late_ns / 1e9:.1f} s", lost)
                if not self._channels:
                    self.unavailable = f"it did not open within {late_ns / 1e9:.1f} s"
            took = sorted(self._longest_ns)
            read_ns = took[int(0.95 * (len(took) - 1))] if took else 0
            traces = tuple(series.trace(self.name, read_ns) for series in self._series)
            self._recording += 1
            self._series = []
        self.want(wanted=False)
        return traces

    def latest(self, oldest_s: float = 2.0) -> Dict[Channel, float]:
        """The newest value of each channel that is not older than this."""
        since = time.monotonic_ns() - int(oldest_s * 1e9)
        with self._lock:
            return {
                channel: self._latest[channel.name][1]
                for channel in self._channels
                if channel.name in self._latest and self._latest[channel.name][0] >= since
            }

    def hangs(self) -> bool:
        """Whether it has been opening or reading for too long."""
        with self._lock:
            return self._late_ns() > 0

    def ready(self, *, values: bool = False) -> bool:
        """Whether it has opened (with ``values``: was read), failed to, or hangs."""
        with self._lock:
            done = self._reads > 0 if values else bool(self._channels)
            return bool(done or self.unavailable or self._late_ns())

    def close(self, patience_s: float = 1.0) -> None:
        """Let go of the sensor. A thread that hangs is left behind: it ends with the process."""
        self._closed.set()
        self._wanted.set()
        if self._thread.ident is not None and not self.hangs():
            self._thread.join(patience_s)

    def _late_ns(self) -> int:
        if self._busy_since is None:
            return 0
        busy = time.monotonic_ns() - self._busy_since
        return busy if busy > self._deadline_ns else 0

    def _run(self) -> None:
        task.prefer(self._cpus)
        try:
            sensor = self._open()
            channels = tuple(sensor.channels)[:MOST_CHANNELS]
        except Exception as error:  # noqa: BLE001 - a sensor that cannot be opened ends no job
            with self._lock:
                self.unavailable = _why(error)
                self.absent = getattr(error, "code", "") == ABSENT
                self._busy_since = None
            return
        with self._lock:
            self._channels = channels
            self._series = [Series(channel) for channel in channels]
            self._busy_since = None
        try:
            self._read_on(sensor, max(self._interval_s, sensor.interval_s))
        finally:
            sensor.close()

    def _read_on(self, sensor: Sensor, interval_s: float) -> None:
        while not self._closed.is_set():
            self._wanted.wait()
            if self._closed.is_set():
                return
            began = time.monotonic_ns()
            with self._lock:
                recording, self._busy_since = self._recording, began
            values: Dict[str, float] = {}
            problem = NO_VALUE
            try:
                values = sensor.read()
            except Exception as error:  # noqa: BLE001 - nor does one that fails
                problem = _why(error)
            ended = time.monotonic_ns()
            with self._lock:
                self._busy_since = None
                self._reads += 1
                if recording == self._recording:
                    self._keep(values, problem, (began + ended) // 2)
                    self._longest_ns.append(ended - began)
            self._closed.wait(max(0.01, interval_s - (ended - began) / 1e9))

    def _keep(self, values: Dict[str, float], problem: str, time_ns: int) -> None:
        for series in self._series:
            value = values.get(series.channel.name)
            if value is None:
                series.miss(problem)
            else:
                series.put(time_ns, value)
                if series.times and series.times[-1] == time_ns:
                    self._latest[series.channel.name] = (time_ns, value)


def _why(error: Exception) -> str:
    text = error.message if isinstance(error, FarmError) else f"{type(error).__name__}: {error}"
    return faults.shorten(text, 200)
