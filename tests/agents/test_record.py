"""A sensor in a thread of its own: what it says, and what happens when it misbehaves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farm_agent.messages.traces import Channel
from farm_agent.record import Reader, Series
from farm_agent.sensors import SensorError, thermal

TEMPERATURE = Channel("t", "temperature_c")


class Scripted:
    """Says one thing after another; the last again and again. An exception is raised."""

    interval_s = 0.0
    channels = (TEMPERATURE,)

    def __init__(self, *answers: dict[str, float] | Exception | threading.Event) -> None:
        self.answers = list(answers)
        self.reads = 0
        self.closed = threading.Event()

    def read(self) -> dict[str, float]:
        self.reads += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, threading.Event):
            answer.wait(30)
            return {"t": 99.0}
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        self.closed.set()


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)


Start = Callable[..., Reader]


@pytest.fixture
def start() -> Iterator[Start]:
    readers: list[Reader] = []

    def started(sensor: Scripted, deadline_s: float = 20.0) -> Reader:
        reader = Reader("fake", lambda: sensor, interval_s=0.01, deadline_s=deadline_s)
        readers.append(reader)
        reader.start()
        until(reader.ready)
        return reader

    yield started
    for reader in readers:
        reader.close(0.1)


def test_values_are_kept_between_begin_and_end_on_the_samples_clock(start: Start) -> None:
    sensor = Scripted({"t": 41.5})
    reader = start(sensor)
    before = time.monotonic_ns()
    reader.begin()
    until(lambda: sensor.reads >= 4)
    (trace,) = reader.end()
    assert set(trace.values) == {41.5}
    assert len(trace.times_ns) == len(trace.values) >= 3
    assert before <= trace.times_ns[0] < trace.times_ns[-1] <= time.monotonic_ns()
    assert (trace.missed, trace.problem, trace.sensor) == (0, "", "fake")
    assert reader.latest() == {TEMPERATURE: 41.5}


def test_a_paused_sensor_is_not_read(start: Start) -> None:
    sensor = Scripted({"t": 41.5})
    start(sensor)
    assert sensor.reads == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -256.0, 4000.0])
def test_a_value_that_cannot_be_true_is_missed_and_named(start: Start, bad: float) -> None:
    sensor = Scripted({"t": 40.0}, {"t": bad}, {"t": 41.0})
    reader = start(sensor)
    reader.begin()
    until(lambda: sensor.reads >= 4)
    (trace,) = reader.end()
    assert trace.missed == 1
    assert trace.values[:2] == (40.0, 41.0)
    assert "temperature_c" in trace.problem


def test_a_sensor_that_vanishes_leaves_its_first_values_and_the_reason(start: Start) -> None:
    sensor = Scripted({"t": 40.0}, SensorError("no such device", code="sensor.silent"))
    reader = start(sensor)
    reader.begin()
    until(lambda: sensor.reads >= 4)
    (trace,) = reader.end()
    assert trace.values == (40.0,)
    assert trace.missed >= 2
    assert trace.problem == "no such device"


def test_a_sensor_s_own_defect_ends_nothing(start: Start) -> None:
    sensor = Scripted({"t": 40.0}, ZeroDivisionError("x"), {"t": 42.0})
    reader = start(sensor)
    reader.begin()
    until(lambda: sensor.reads >= 4)
    (trace,) = reader.end()
    assert 42.0 in trace.values
    assert trace.problem == "ZeroDivisionError: x"


def test_a_sensor_that_hangs_is_told_and_not_waited_for(start: Start) -> None:
    released = threading.Event()
    sensor = Scripted({"t": 40.0}, released, {"t": 50.0})
    reader = start(sensor, deadline_s=0.2)
    reader.begin()
    until(lambda: sensor.reads >= 2)  # the first was kept
    until(reader.hangs)
    (trace,) = reader.end()
    assert trace.values == (40.0,)
    assert trace.missed >= 1
    assert "has not answered" in trace.problem
    reader.begin()
    released.set()
    until(lambda: reader.latest().get(TEMPERATURE) == 50.0)
    (trace,) = reader.end()
    # What the late read of the last phase said belongs to no phase.
    assert set(trace.values) == {50.0}


def test_a_sensor_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    reader = Reader("thermal", lambda: thermal.open(tmp_path))
    reader.start()
    until(reader.ready)
    assert "thermal zone" in reader.unavailable
    assert reader.absent
    reader.begin()
    assert reader.end() == ()


def test_a_sensor_is_closed_by_the_thread_that_read_it(start: Start) -> None:
    sensor = Scripted({"t": 40.0})
    reader = start(sensor)
    reader.begin()
    until(lambda: sensor.reads >= 1)
    reader.close()
    assert sensor.closed.is_set()


def test_the_number_of_values_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farm_agent.record.MOST_VALUES", 3)
    series = Series(TEMPERATURE)
    for time_ns in range(5):
        series.put(time_ns, 40.0)
    trace = series.trace("fake", 0)
    assert (len(trace.values), trace.missed) == (3, 2)
