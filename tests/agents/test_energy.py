"""The energy run on a device: windows, sampling from outside, the load signature, the clock verb."""

from __future__ import annotations

import contextlib
import gzip
import os
import select
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from farm_agent import codec, energy, job
from farm_agent.energy_sampler import Reader, Sampler, Source, open_sources
from farm_agent.errors import MeasurementError
from farm_agent.messages.energy import EnergyPlan, EnergyRun
from farm_agent.messages.traces import Channel, TraceFile
from farm_agent.sensors import SensorError, rapl
from farm_agent.signature import Burners
from farm_agent.wire import JobResult, JobSpec
from tests.agents.parts import Agent, artifact, local_agent, small_spec

SHORT = EnergyPlan(window_ns=1_000_000_000, idle_ns=200_000_000)


@pytest.fixture
def agent(tmp_path: Path) -> Agent:
    return local_agent(tmp_path)


@dataclass
class Kept:
    """A keeper that keeps in memory."""

    result: JobResult
    events: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    logged: str = ""

    def emit(self, kind: str, data: dict[str, Any]) -> None:
        self.events.append((kind, data))

    def keep(self, result: JobResult) -> None:
        self.result = result

    def note_versions(self, versions: dict[str, str]) -> None:
        del versions

    def log(self, text: str) -> None:
        self.logged += text


@pytest.fixture
def counter(tmp_path: Path) -> Iterator[Path]:
    """A folder that looks like /sys with one package, whose counter moves as a real one does."""
    zone = tmp_path / "fake" / "sys/class/powercap/intel-rapl:0"
    zone.mkdir(parents=True)
    (zone / "name").write_text("package-0\n")
    # Haswell: intel/thermal_daemon issue 45.
    (zone / "max_energy_range_uj").write_text("262143999938\n")
    (zone / "energy_uj").write_text("2469474853\n")
    stop = threading.Event()

    def move() -> None:
        begun = time.monotonic()
        while not stop.wait(0.005):
            part = zone / "part"
            part.write_text(f"{2469474853 + int(5e6 * (time.monotonic() - begun))}\n")
            part.replace(zone / "energy_uj")

    thread = threading.Thread(target=move)
    thread.start()
    yield tmp_path / "fake"
    stop.set()
    thread.join()


def run(agent: Agent, folder: Path, plan: EnergyPlan, **changes: Any) -> tuple[EnergyRun, Kept]:
    """The energy step of a job whose artifact is linked, as the supervisor does it."""
    spec: JobSpec = small_spec(agent, folder, energy=plan, **changes)
    place = agent.root / "jobs" / "job-1"
    (place / "artifact").mkdir(parents=True)
    blob = spec.artifact.files[0]
    os.link(agent.root / "cas" / blob.sha256, place / "artifact" / blob.name)
    keeper = Kept(job.blank(spec, "0" * 64))
    energy.run(keeper, spec, place)
    assert keeper.result.energy is not None
    return keeper.result.energy, keeper


def test_windows_follow_each_other_and_hold_whole_inferences(
    agent: Agent, tmp_path: Path, counter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Idle, busy, idle, in this order on one clock; the sensor was read all the time from outside."""
    opened = rapl.open
    monkeypatch.setattr(rapl, "open", lambda: opened(counter))

    done, keeper = run(agent, tmp_path, SHORT, sensors=("rapl",))

    assert done.error_code == ""
    assert [window.name for window in done.windows] == ["idle-before", "busy", "idle-after"]
    times = [time_ns for window in done.windows for time_ns in (window.start_ns, window.end_ns)]
    assert times == sorted(times)
    busy = done.windows[1]
    assert busy.end_ns - busy.start_ns >= SHORT.window_ns
    assert done.inferences > 10
    assert done.traces is not None
    path = agent.root / "jobs" / "job-1" / done.traces.name
    told = codec.loads(TraceFile, gzip.decompress(path.read_bytes()))
    (trace,) = [trace for trace in told.traces if trace.sensor == "rapl"]
    assert trace.channel.scope == "package"
    assert any(busy.start_ns < at < busy.end_ns for at in trace.times_ns)
    assert trace.times_ns[0] < busy.start_ns
    assert list(trace.values) == sorted(trace.values)
    assert trace.read_ns > 0
    assert all(window.other_cpu_pct is not None for window in done.windows)
    phases = [data.get("window") for kind, data in keeper.events if kind == "phase"]
    assert phases == ["load", "idle-before", "busy", "idle-after", None]


def test_the_signature_is_made_of_bursts_around_the_busy_window(agent: Agent, tmp_path: Path) -> None:
    """Three bursts before and three after, also where only an external meter reads."""
    plan = EnergyPlan(100_000_000, 50_000_000, signature=True, burst_ns=50_000_000)
    done, _ = run(agent, tmp_path, plan, sensors=("rapl",))

    known = {window.name for window in done.windows if window.other_cpu_pct is not None}
    assert known == {"idle-before", "busy", "idle-after"}
    names = [window.name for window in done.windows]
    assert names == ["idle-before", "signature-before", "busy", "signature-after", "idle-after"]
    assert len(done.edges_ns) == 12
    assert list(done.edges_ns) == sorted(done.edges_ns)
    windows = {window.name: window for window in done.windows}
    assert done.edges_ns[5] < windows["busy"].start_ns
    assert done.edges_ns[6] > windows["busy"].end_ns


def test_nothing_runs_where_nothing_can_be_read(agent: Agent, tmp_path: Path) -> None:
    """No windows, and for each sensor why not and what to do."""
    done, keeper = run(agent, tmp_path, EnergyPlan(), sensors=("pmic-of-nobody",))

    assert done.windows == ()
    assert done.error_code == ""
    ((name, why, fix),) = done.unavailable
    assert name == "pmic-of-nobody"
    assert "no sensor is called" in why
    assert fix
    assert ("phase", {"phase": "energy-skipped"}) in keeper.events


def test_a_run_that_fails_leaves_the_reason_and_the_job(agent: Agent, tmp_path: Path) -> None:
    """A runtime that cannot load the model: an error in the energy run, none in the job."""
    spec = small_spec(agent, tmp_path)
    broken = tmp_path / "broken.onnx"
    broken.write_bytes(b"no model")
    blob = agent.put(broken)
    place = agent.root / "jobs" / "job-1"
    (place / "artifact").mkdir(parents=True)
    os.link(agent.root / "cas" / blob.sha256, place / "artifact" / blob.name)
    keeper = Kept(job.blank(spec, "0" * 64))

    bad = codec.decode(
        JobSpec,
        {
            **codec.encode(spec),
            "artifact": codec.encode(artifact(blob)),
            "energy": codec.encode(EnergyPlan(signature=True)),
        },
    )
    energy.run(keeper, bad, place)

    assert keeper.result.energy is not None
    assert keeper.result.energy.error_code == "model.unreadable"
    assert "Protobuf parsing failed" in keeper.result.energy.error_message
    assert keeper.result.energy.windows == ()


def test_a_device_that_is_not_quiet_gives_no_energy(agent: Agent, tmp_path: Path) -> None:
    """The gate's own reason; the job goes on."""
    spec = small_spec(agent, tmp_path, energy=EnergyPlan(signature=True))
    keeper = Kept(job.blank(spec, "0" * 64))

    def busy() -> None:
        raise MeasurementError("CPU pressure is 80 %", code="gate.not-quiet", fix="wait")

    energy.run(keeper, spec, tmp_path, busy)

    assert keeper.result.energy is not None
    assert keeper.result.energy.error_code == "gate.not-quiet"


class Flaky:
    """A sensor as they fail in the field."""

    channels = (Channel("a", "power_w", "rail"), Channel("b", "power_w", "rail"))
    interval_s = 0.01

    def __init__(self) -> None:
        self.reads = 0
        self.closed = False

    def read(self) -> dict[str, float]:
        self.reads += 1
        if self.reads % 3 == 0:
            raise SensorError("Input/output error", code="sensor.silent")
        if self.reads % 5 == 0:
            raise ZeroDivisionError("a defect")
        return {"a": 1.0} if self.reads % 2 else {"a": 1.0, "b": 2.0}

    def close(self) -> None:
        self.closed = True


def test_a_sensor_that_fails_is_counted_and_its_reason_kept() -> None:
    """A failed read is missed for every channel, a value left out for one; nothing is made up."""
    sensor = Flaky()
    reader = Reader(Source("flaky", sensor, power=True, interval_s=0.01), threading.Event())

    for _ in range(30):
        reader.read()

    a, b = reader.traces()
    assert len(a.values) + a.missed == 30
    assert len(b.values) < len(a.values)
    assert len(b.values) + b.missed == 30
    assert a.missed == 14
    assert a.problem == "Input/output error"
    assert set(b.values) == {2.0}


def test_a_sensor_that_hangs_does_not_hold_up_the_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is left behind, and its trace says so."""
    monkeypatch.setattr("farm_agent.energy_sampler.JOIN_S", 0.1)
    release = threading.Event()

    class Hung(Flaky):
        def read(self) -> dict[str, float]:
            release.wait(30.0)
            return {}

    sensor = Hung()
    sampler = Sampler([Source("hung", sensor, power=True, interval_s=0.01)])
    sampler.begin()

    told = sampler.end()
    release.set()

    assert told.traces[0].values == ()
    assert told.traces[0].problem == "hung does not answer"
    assert not sensor.closed


def test_only_power_sensors_are_reported_missing() -> None:
    """That a virtual machine has no thermal zone is no reason for energy."""
    found, missing = open_sources(("thermal", "cooling", "nobody"), every=True)
    for source in found:
        source.sensor.close()

    assert [name for name, _, _ in missing] == ["nobody"]


@pytest.mark.parametrize(
    ("interval_s", "asked_s", "got_s"), [(0.1, 30, 30), (1.0, 30, 120), (60.0, 30, 600), (1.0, 5, 5)]
)
def test_a_slow_sensor_stretches_the_window(interval_s: float, asked_s: int, got_s: int) -> None:
    """Up to ten minutes; a window that is too short on purpose stays so, and will be refused."""
    source = Source("slow", Flaky(), power=True, interval_s=interval_s)

    plan = energy.stretched(EnergyPlan(window_ns=asked_s * 10**9), [source])

    assert plan.window_ns == got_s * 10**9


def test_burners_load_every_cpu_and_go_when_closed() -> None:
    """One worker per usable CPU; none is left."""
    before = own_children()
    burners = Burners()
    workers = own_children() - before
    begin, end = burners.burst(20_000_000)
    burners.close()

    assert end - begin == 20_000_000
    assert len(workers) == len(os.sched_getaffinity(0))
    assert not workers & own_children()


def own_children() -> set[int]:
    """Processes that this one started, also those that ended and wait to be buried."""
    found = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == os.getpid():
                    found.add(int(entry.name))
    return found


def test_the_clock_answers_once_without_a_conversation(agent: Agent) -> None:
    """Between the moments before and after the call, on the same machine."""
    before = time.monotonic_ns()
    body = agent.ask("clock")
    after = time.monotonic_ns()

    assert before < body["monotonic_ns"] < after
    assert body["boot_id"]


def test_the_clock_answers_each_line(agent: Agent) -> None:
    """One process, many pings; it ends when its input does."""
    process = subprocess.Popen(
        [agent.python, str(agent.zipapp), "clock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        seen = [process.stdout.readline()]
        for _ in range(3):
            process.stdin.write(b"\n")
            process.stdin.flush()
            assert select.select([process.stdout], [], [], 30)[0]
            seen.append(process.stdout.readline())
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    times = [codec.loads(dict[str, Any], line)["body"]["monotonic_ns"] for line in seen]
    assert times == sorted(times)
    assert len(set(times)) == 4
