"""Telemetry beside blocks: which sensors, on which CPUs, and what comes out."""

from __future__ import annotations

import gzip
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from farm_agent import codec, watch
from farm_agent.messages.observed import Observed
from farm_agent.messages.traces import Channel, Trace, TraceFile
from farm_agent.sensors import SensorError
from farm_agent.watch import Observation, Telemetry

from .test_record import Scripted, until


def module(sensor: Any, purpose: str = "telemetry") -> SimpleNamespace:
    def opened() -> Any:
        if isinstance(sensor, Exception):
            raise sensor
        return sensor

    return SimpleNamespace(PURPOSE=purpose, open=opened)


def telemetry(**modules: SimpleNamespace) -> Telemetry:
    return Telemetry(tuple(modules), load=lambda name: modules[name])


@pytest.fixture
def process() -> Iterator[subprocess.Popen[bytes]]:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield child
    child.kill()
    child.wait()


def test_a_measured_phase_gives_traces_and_their_meaning(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    sensor = Scripted({"t": 55.5})
    told = telemetry(fake=module(sensor))
    told.settle()
    observation = Observation(told, process.pid, tmp_path)
    observation.begin()
    until(lambda: sensor.reads >= 2)
    observed, traces = observation.end()
    told.close()
    assert observed is not None
    assert (observed.temperature_start_c, observed.temperature_max_c) == (55.5, 55.5)
    assert observed.elapsed_ns > 0
    # The kernel's counters stand beside the sensors when they moved.
    assert [trace.sensor for trace in traces.traces if trace.sensor != "kernel"] == ["fake"]
    blob = watch.save(tmp_path / "block-0.traces.gz", traces)
    kept = codec.loads(TraceFile, gzip.decompress((tmp_path / blob.name).read_bytes()))
    assert kept == traces


def test_only_telemetry_is_read_beside_a_block() -> None:
    power = Scripted({"t": 1.0})
    told = telemetry(rapl=module(power, "power"))
    told.settle()
    told.begin()
    observed, traces = told.end(Observed())
    assert (power.reads, traces.traces, observed.problems) == (0, (), ())


def test_a_sensor_that_the_device_lacks_is_listed_and_one_that_fails_is_a_problem() -> None:
    told = telemetry(
        lacking=module(SensorError("no such thing here", code="sensor.unavailable")),
        denied=module(SensorError("permission denied", code="sensor.permission")),
    )
    told.settle()
    told.begin()
    observed, traces = told.end(Observed())
    assert dict(traces.unavailable) == {"lacking": "no such thing here", "denied": "permission denied"}
    assert observed.problems == ("denied: permission denied",)


def test_a_sensor_that_this_agent_does_not_know_is_a_problem_and_no_failure() -> None:
    told = Telemetry(("crystal_ball",))
    told.begin()
    observed, _ = told.end(Observed())
    assert "crystal_ball" in observed.problems[0]


def test_a_process_that_dies_while_it_is_watched_ends_no_job(
    process: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    told = telemetry(fake=module(Scripted({"t": 40.0})))
    observation = Observation(told, process.pid, tmp_path)
    observation.begin()
    process.kill()
    process.wait()
    time.sleep(0.25)
    observation.abandon()
    observed, _ = observation.end()
    assert observed is not None


def test_the_watching_keeps_off_the_measured_cpus() -> None:
    allowed = sorted(os.sched_getaffinity(0))
    assert watch.away_from(allowed) == ()
    assert watch.away_from(allowed[:1]) == tuple(allowed[1:])


def test_equal_traces_give_equal_files(tmp_path: Path) -> None:
    content = TraceFile((Trace("thermal", Channel("z", "temperature_c"), (1, 2), (40.0, 41.0)),))
    first, second = (watch.save(tmp_path / name, content) for name in ("a.gz", "b.gz"))
    assert first.sha256 == second.sha256
