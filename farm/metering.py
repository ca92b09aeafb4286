"""External meters while a job's energy windows pass: a thread per meter, the clocks before and after."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm import clock, power
from farm.errors import FarmError
from farm.power import Meter, MeterSettings
from farm_agent.messages.traces import Channel, Trace
from farm_agent.wire import Event

if TYPE_CHECKING:
    from farm.devices.session import Session
    from farm_results.energy.align import MeterRecord, Ping

MOST_VALUES = 2_000_000
JOIN_S = 10.0
# Values of before the energy windows are of no use; a finished log may hold days of them.
EARLIEST_NS = 60_000_000_000


class Recorder:
    """Polls one meter from ``begin`` to ``end``. A meter that fails leaves its reason, never an exception."""

    def __init__(self, settings: MeterSettings) -> None:
        self.settings = settings
        self._stop = threading.Event()
        self._meter: Meter | None = None
        self._thread = threading.Thread(target=self._run, name=f"meter-{settings.name}", daemon=True)
        self._values: list[tuple[int, float]] = []
        self._missed = 0
        self._problem: FarmError | None = None
        self._began_ns = 0

    def begin(self) -> None:
        """Open the meter and start polling."""
        self._began_ns = time.monotonic_ns()
        try:
            self._meter = power.open_meter(self.settings)
        except FarmError as error:
            self._problem = error
            return
        self._thread.start()

    def end(self) -> None:
        """One last read, then no more."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(JOIN_S)

    def record(self, before: Ping | None, after: Ping | None) -> MeterRecord:
        """What was read. A problem without any value is the record's; else it is the trace's."""
        from farm_results.energy.align import MeterRecord

        channel = self._meter.channel if self._meter else Channel("power", "power_w", "wall")
        values = sorted(dict(self._values).items())
        problem = self._problem
        trace = Trace(
            sensor=self.settings.name,
            channel=channel,
            times_ns=tuple(at for at, _ in values),
            values=tuple(value for _, value in values),
            missed=self._missed,
            problem=problem.message if problem else "",
        )
        silent = problem is not None and not values
        return MeterRecord(
            meter=self.settings.name,
            kind=self.settings.kind,
            trace=trace,
            before=before,
            after=after,
            problem_code=problem.code if problem and silent else "",
            problem=problem.message if problem and silent else "",
        )

    def _run(self) -> None:
        meter = self._meter
        if meter is None:
            return
        try:
            # Random pauses: polling in step with a periodic load would see the same phase again and again.
            while not self._stop.wait(meter.interval_s * random.uniform(0.5, 1.5)):  # noqa: S311 - no secret
                self._read(meter)
            self._read(meter)
        finally:
            meter.close()

    def _read(self, meter: Meter) -> None:
        try:
            new = [pair for pair in meter.read() if pair[0] >= self._began_ns - EARLIEST_NS]
        except FarmError as error:
            self._missed += 1
            self._problem = error
            return
        if len(self._values) + len(new) <= MOST_VALUES:
            self._values.extend(new)


class Metering:
    """All meters of one device during one job. ``prepare`` comes before the job, ``finish`` after it."""

    def __init__(self, session: Session, meters: Sequence[MeterSettings]) -> None:
        self._session = session
        self._recorders = [Recorder(settings) for settings in meters]
        self._before: Ping | None = None
        self._after: Ping | None = None
        self._begun = False

    def prepare(self) -> None:
        """Measure the clocks now: later it would load the device while its idle power is measured."""
        if self._recorders:
            self._before = self._clock()

    def event(self, event: Event) -> None:
        """Follow the job: its energy run begins with the window "load" and ends with "energy-end"."""
        if event.kind != "phase" or not self._recorders:
            return
        if event.data.get("phase") == "energy" and not self._begun:
            self._begun = True
            for recorder in self._recorders:
                recorder.begin()
        elif event.data.get("phase") == "energy-end" and self._begun and self._after is None:
            for recorder in self._recorders:
                recorder.end()
            self._after = self._clock()

    def finish(self) -> tuple[MeterRecord, ...]:
        """The records of the meters, or nothing where no energy run began."""
        for recorder in self._recorders:
            recorder.end()
        if not self._begun:
            return ()
        return tuple(recorder.record(self._before, self._after) for recorder in self._recorders)

    def _clock(self) -> Ping | None:
        try:
            return clock.measure(self._session)
        except FarmError:
            return None
