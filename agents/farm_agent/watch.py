"""Telemetry beside the blocks of a job: sensors and kernel, five times a second, from outside.

Sensors are opened once per job and read only while somebody wants their values. A sensor that is not there,
or hangs, costs its own values and no more.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Callable, Dict, Iterable, List, Optional, Sequence, Tuple

from farm_agent import codec, faults, files, observe, observe_traces, sensors, task
from farm_agent.errors import FarmError
from farm_agent.messages.blob import Blob
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.record import DEADLINE_S, Reader

INTERVAL_S = 0.2
OPENING_S = 3.0


class Telemetry:
    """The telemetry sensors of one job."""

    def __init__(
        self,
        names: Sequence[str] = (),
        cpus: Iterable[int] = (),
        load: Callable[[str], object] = sensors.load,
        root: Path = Path("/"),
    ) -> None:
        """``names``: those of the device's profile; none: every one that can be read here."""
        measured = tuple(cpus) or tuple(sorted(os.sched_getaffinity(0)))
        self.away = away_from(measured)
        self._root = root
        self._asked = bool(names)
        self._readers: List[Reader] = []
        self._unavailable: Dict[str, str] = {}
        self._clocks = observe_traces.clocks_of(measured, root)
        for name in names or sensors.names():
            self._add(name, load)

    def _add(self, name: str, load: Callable[[str], object]) -> None:
        try:
            module = load(name)
        except (FarmError, ImportError, SyntaxError) as error:
            self._unavailable[name] = faults.shorten(str(error), 200)
            return
        if getattr(module, "PURPOSE", "") != "telemetry":
            return
        reader = Reader(name, module.open, INTERVAL_S, self.away)  # type: ignore[attr-defined]
        reader.start()
        self._readers.append(reader)

    def settle(self, patience_s: float = OPENING_S, *, values: bool = False) -> None:
        """Wait until every sensor has opened (with ``values``: was read), has failed to, or hangs."""
        deadline = time.monotonic() + patience_s
        while time.monotonic() < deadline:
            if all(reader.ready(values=values) for reader in self._readers):
                return
            time.sleep(0.02)

    def want(self, *, wanted: bool) -> None:
        """Read on without keeping anything, or pause."""
        for reader in self._readers:
            reader.want(wanted=wanted)

    def latest(self) -> Dict[Channel, float]:
        """The newest values of all sensors."""
        found: Dict[Channel, float] = {}
        for reader in self._readers:
            found.update(reader.latest())
        return found

    def begin(self) -> None:
        """Keep what is read from now on."""
        for reader in self._readers:
            reader.begin()

    def end(self, observed: Observed) -> Tuple[Observed, TraceFile]:
        """What was read since ``begin``; ``observed`` with what that means."""
        traces: List[Trace] = []
        missing, broken = dict(self._unavailable), dict(self._unavailable)
        for reader in self._readers:
            traces += reader.end()
            if reader.unavailable:
                missing[reader.name] = reader.unavailable
            if reader.unavailable and not reader.absent:
                broken[reader.name] = reader.unavailable
        told, self._clocks = observe_traces.summarise(observed, traces, self._clocks, sorted(broken.items()))
        # What nobody asked for and this device does not have is not worth a line.
        return told, TraceFile(tuple(traces), tuple(sorted((missing if self._asked else broken).items())))

    def close(self) -> None:
        """Let go of every sensor."""
        for reader in self._readers:
            reader.close()


class Observation:
    """One measured phase of one process, seen from a thread of its own."""

    def __init__(self, telemetry: Telemetry, pid: int, own_folder: Path, root: Path = Path("/")) -> None:
        self._telemetry = telemetry
        self._observer = observe.Observer(pid, str(own_folder), root)
        self._over = threading.Event()
        self._failed = ""
        self._thread = threading.Thread(target=self._run, daemon=True, name="observe")

    def begin(self) -> None:
        """The measured phase begins."""
        self._telemetry.begin()
        self._observer.begin()
        self._thread.start()

    def end(self) -> Tuple[Optional[Observed], TraceFile]:
        """The measured phase is over, and the process still lives."""
        self._over.set()
        self._thread.join(DEADLINE_S * 2)
        if self._thread.is_alive():
            problem = "the kernel's own files were not read in time"
            return self._telemetry.end(Observed(problems=(problem,)))
        observed = self._observer.end()
        if self._failed:
            observed = Observed(problems=(self._failed,))
        told, sensed = self._telemetry.end(observed)
        return told, replace(sensed, traces=(*sensed.traces, *self._observer.counted()))

    def abandon(self) -> None:
        """The process died: nothing to tell."""
        self._over.set()
        self._telemetry.want(wanted=False)

    def _run(self) -> None:
        task.prefer(self._telemetry.away)
        try:
            while not self._over.wait(INTERVAL_S):
                self._observer.tick()
        except Exception as error:  # noqa: BLE001 - what is watched must not fail because of the watching
            self._failed = faults.shorten(f"the watching failed: {type(error).__name__}: {error}", 200)


def away_from(cpus: Iterable[int]) -> Tuple[int, ...]:
    """The CPUs that are left for everything but the measured process; () when that leaves none."""
    return tuple(sorted(all_cpus() - set(cpus)))


def all_cpus() -> frozenset[int]:
    """Every CPU that this process could use, whatever it is bound to now."""
    return frozenset(_ALLOWED)


# Taken once: the supervisor binds itself to the measured CPUs so that what it starts inherits them.
_ALLOWED = os.sched_getaffinity(0)


def save(path: Path, content: TraceFile) -> Blob:
    """Write the traces as gzip of their JSON; equal traces give equal bytes."""
    data = gzip.compress(codec.dumps(content).encode(), 6)
    # gzip.compress stamps the time in Python 3.8 to 3.10.
    data = data[:4] + b"\0\0\0\0" + data[8:]
    files.write_atomic(path, data, durable=True)
    return Blob(hashlib.sha256(data).hexdigest(), len(data), path.name)
