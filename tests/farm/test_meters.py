"""Meters in the settings, which device they measure, what they do to the plan, and a run with a plug."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

import farm
from farm import clock, meters, power
from farm.agent_client import install
from farm.config import load_config
from farm.errors import FarmError, UsageError
from farm.measure import Measure
from farm.metering import Metering, Recorder
from farm.power import MeterSettings
from farm.transports import connect
from farm.transports.local import Local
from farm.transports.ssh import Ssh
from farm_agent import identity, pack
from farm_agent.messages.energy import EnergyPlan
from farm_agent.wire import Event
from tests.farm.power.plug import SHELLY, Answer, serving
from tests.support import need
from tests.zoo.loopback import LoopbackDevice, missing

S = 1_000_000_000


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working directory."""
    folder = tmp_path / "project"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_every_kind_in_the_page_is_understood(project: Path) -> None:
    """The examples of docs/power.md are settings, as they stand."""
    page = (Path(__file__).parents[2] / "docs" / "power.md").read_text()
    blocks = [part.partition("```")[0] for part in page.split("```toml\n")[1:]]
    (project / "farm.toml").write_text("\n".join(blocks))

    found = load_config().meters

    assert {settings.kind for settings in found.values()} == set(power.names())


def test_a_nearer_table_replaces_a_farther_one(project: Path, private_folders: Path) -> None:
    """By name; others stay. Relative paths count from the file's folder."""
    user = private_folders / "config" / "farm" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text(
        '[meters.a]\nkind = "shelly"\naddress = "far"\n[meters.b]\nkind = "command"\nargv = ["./x"]\n'
    )
    (project / "farm.toml").write_text('[meters.a]\nkind = "tasmota"\naddress = "near"\n')

    found = load_config().meters

    assert (found["a"].kind, found["a"].text("address")) == ("tasmota", "near")
    assert found["b"].folder == str(user.parent)


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("meters = 3", "config.type", "tables"),
        ("[meters]\na = 3", "config.type", "meters.a"),
        ("[meters.a]\naddress = 'x'", "config.type", "one of command"),
        ("[meters.a]\nkind = 'oracle'", "config.type", "oracle"),
        ("[meters.a]\nkind = 'shelly'", "config.type", "meters.a.address"),
        ("[meters.a]\nkind = 'shelly'\naddress = 'x'\npassword = 'y'", "config.unknown-key", "'password'"),
        ("[meters.a]\nkind = 'shelly'\naddress = 'x'\nchannel = true", "config.type", "whole number"),
        ("[meters.a]\nkind = 'shelly'\naddress = 'x'\ninterval_s = 0", "config.type", "above 0"),
        ("[meters.a]\nkind = 'shelly'\naddress = 'x'\ninterval_s = nan", "config.type", "above 0"),
        ("[meters.a]\nkind = 'shelly'\naddress = 'x'\nscope = 'moon'", "config.type", "wall"),
        ("[meters.a]\nkind = 'command'\nargv = 'read x'", "config.type", "list"),
        ("[meters.a]\nkind = 'command'\nargv = [1]", "config.type", "list of texts"),
        ("[meters.'../a']\nkind = 'shelly'\naddress = 'x'", "config.type", "a name of letters"),
    ],
)
def test_a_wrong_table_names_itself(project: Path, text: str, code: str, words: str) -> None:
    """The file, the place, what was expected; a password in the clear is no setting."""
    (project / "farm.toml").write_text(text)

    with pytest.raises(UsageError) as caught:
        load_config()

    assert caught.value.code == code
    assert words in caught.value.message
    assert "farm.toml" in caught.value.message
    assert caught.value.fix


@pytest.mark.parametrize(
    ("name", "device", "devices", "code"),
    [
        ("nobody", "", ["pi"], "meter.unknown"),
        ("desk", "orin", ["pi"], "meter.other-device"),
        ("desk", "", ["pi", "orin"], "meter.device-unclear"),
    ],
)
def test_a_meter_that_cannot_be_meant_is_refused(
    name: str, device: str, devices: list[str], code: str
) -> None:
    """Before anything runs."""
    with pytest.raises(UsageError) as caught:
        meters.choose([name], {"desk": MeterSettings("desk", "shelly", device)}, devices)
    assert caught.value.code == code


def test_a_meter_measures_its_device_alone() -> None:
    """One without a device measures the only one there is."""
    desk, free = MeterSettings("desk", "shelly", "pi"), MeterSettings("free", "shelly")

    assert meters.of_device([desk, free], "pi") == (desk, free)
    assert meters.of_device([desk], "orin") == ()


def test_the_plan_follows_the_meter() -> None:
    """A signature only with a meter; a slow one gets a longer window and longer bursts."""
    plan = EnergyPlan(signature=True)
    slow = MeterSettings("slow", "shelly", options={"interval_s": 2.0})

    assert meters.planned(None, [slow]) is None
    assert meters.planned(plan, []) == EnergyPlan(signature=False)
    found = meters.planned(plan, [slow])
    assert found is not None
    assert (found.window_ns, found.burst_ns, found.signature) == (600 * S, 6 * S, True)
    short = meters.planned(EnergyPlan(window_ns=S), [slow])
    assert short is not None
    assert short.window_ns == S


@contextlib.contextmanager
def plug_meter(*bodies: str | None, timeout_s: float = 30.0) -> Iterator[MeterSettings]:
    """A Shelly that gives these answers and then the last one for ever; None is silence."""
    left = list(bodies)

    def answer(path: str, headers: object) -> Answer:
        del path, headers
        body = left.pop(0) if len(left) > 1 else left[0]
        return Answer(None if body is None else body.encode())

    with serving(answer) as plug:
        options = {"address": plug.address, "interval_s": 0.01, "timeout_s": timeout_s}
        yield MeterSettings("desk", "shelly", "", options)


def recorded(settings: MeterSettings, least: int) -> Recorder:
    """A recorder that ran until it had so many values or failures."""
    recorder = Recorder(settings)
    recorder.begin()
    give_up = time.monotonic() + 30
    while len(recorder._values) + recorder._missed < least and time.monotonic() < give_up:
        if recorder._problem is not None and recorder._meter is None:
            break
        time.sleep(0.01)
    recorder.end()
    return recorder


def test_a_meter_is_recorded_on_our_monotonic_clock() -> None:
    """Values with their times in order, until it is told to stop."""
    begin = time.monotonic_ns()
    with plug_meter(SHELLY % "5.0", SHELLY % "6.0", SHELLY % "7.0") as settings:
        recorder = recorded(settings, 4)
        record = recorder.record(None, None)

    assert set(record.trace.values) == {6.0, 7.0}
    assert list(record.trace.times_ns) == sorted(record.trace.times_ns)
    assert begin < record.trace.times_ns[0] < time.monotonic_ns()
    assert record.problem_code == ""
    assert not recorder._thread.is_alive()


def test_a_meter_that_goes_silent_keeps_what_it_said_and_why() -> None:
    """The trace ends; its problem is told; nothing is invented."""
    with plug_meter(SHELLY % "5.0", SHELLY % "6.0", "no json", None, timeout_s=2.0) as settings:
        record = recorded(settings, 3).record(None, None)

    assert record.trace.values == (6.0,)
    assert record.trace.missed >= 2
    assert "did not answer" in record.trace.problem
    assert record.problem_code == ""


def test_a_meter_that_cannot_be_opened_is_a_record_with_its_error() -> None:
    """The job goes on without it."""
    with plug_meter("garbage") as settings:
        record = recorded(settings, 1).record(None, None)

    assert record.problem_code == "meter.garbled"
    assert record.trace.values == ()


def test_the_clock_of_an_agent_is_known_to_half_a_round_trip(tmp_path: Path) -> None:
    """On this machine both are the same clock, so that the offset must lie within the bound."""
    packed = pack.build(tmp_path / "packed")
    client = install(Local(), sys.executable, packed, str(tmp_path / "root"))

    ping = clock.best(client, Local())

    assert abs(ping.offset_ns) <= ping.bound_ns
    assert ping.boot_id == identity.boot_id()


def test_the_clock_of_a_device_over_ssh_is_known_by_one_conversation(tmp_path: Path) -> None:
    """Seven round trips through one process of the agent; the same clock behind a real sshd."""
    why = missing()
    need(not why, f"no loopback device here: {why}")
    with contextlib.closing(LoopbackDevice("loopback")) as device:
        link = connect(device.entry(), 20.0)
        assert isinstance(link, Ssh)
        try:
            client = install(link, sys.executable, pack.build(tmp_path / "packed"), str(tmp_path / "root"))
            rows = link.talk(client.argv("clock"), 5, timeout_s=60.0)
            ping = clock.best(client, link)
        finally:
            link.close()

    assert len(rows) == 5
    for asked_ns, line, answered_ns in rows:
        assert asked_ns <= json.loads(line)["body"]["monotonic_ns"] <= answered_ns
    assert abs(ping.offset_ns) <= ping.bound_ns


def test_meters_wait_for_the_energy_windows() -> None:
    """A job that measures no energy leaves no record and touches no meter."""
    with serving(lambda *_: Answer(b"")) as plug:
        settings = MeterSettings("desk", "shelly", "", {"address": plug.address})
        metering = Metering(None, (settings,))  # type: ignore[arg-type]
        metering.event(Event(0, 0.0, "phase", {"phase": "check"}))
        records = metering.finish()

    assert records == ()
    assert plug.seen == []


@contextlib.contextmanager
def loaded_plug() -> Iterator[tuple[str, list[float]]]:
    """A plug whose power follows the CPU time that energy processes of this machine really get."""
    said: list[float] = []
    before: dict[str, int] = {}
    at = time.monotonic()

    def answer(path: str, headers: object) -> Answer:
        nonlocal before, at
        del path, headers
        now, used = time.monotonic(), _cpu_ns()
        grown = sum(max(0, ns - before.get(task, 0)) for task, ns in used.items())
        said.append(round(3.0 + 4.0 * grown / 1e9 / max(1e-3, now - at), 1))
        before, at = used, now
        return Answer((SHELLY % said[-1]).encode())

    with serving(answer) as plug:
        yield plug.address, said


def _cpu_ns() -> dict[str, int]:
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if b"_energy" in (process / "cmdline").read_bytes():
                for task in (process / "task").iterdir():
                    found[task.name] = int((task / "schedstat").read_text().split()[0])
    return found


def test_a_run_with_a_plug_and_short_windows_says_so_and_keeps_the_rest(project: Path) -> None:
    """The plug was read, its trace is kept; a window of 0.4 s gives an error and no number."""
    plan = EnergyPlan(window_ns=400_000_000, idle_ns=200_000_000, signature=True, burst_ns=100_000_000)
    with loaded_plug() as (address, said):
        (project / "farm.toml").write_text(
            f'[meters.plug]\nkind = "shelly"\naddress = "{address}"\ndevice = "local"\ninterval_s = 0.05\n'
        )
        (result,) = farm.bench(
            runtimes=["onnxruntime"],
            blocks=1,
            min_time_s=0.05,
            measure=Measure(gate=None, energy=plan, meters=("plug",)),
        )

    assert (result.status, result.error_message) == ("ok", "")
    assert result.latency is not None
    entry = next(entry for entry in result.energy if entry.sensor == "plug")
    assert entry.error_code == "energy.window-short"
    assert (entry.gross_j, entry.net_j, entry.power_w) == (None, None, None)
    assert entry.inferences > 0
    assert "energy_gross_j" not in result.metrics
    assert result.document["energy"]["meters"] in result.trace_hashes
    assert len(said) > 3


def test_an_unknown_meter_ends_the_run_before_it_begins(project: Path) -> None:
    """With the name and what to do."""
    with pytest.raises(FarmError) as caught:
        farm.bench(measure=Measure(energy=EnergyPlan(), meters=("nobody",)))
    assert caught.value.code == "meter.unknown"
    assert "[meters.nobody]" in caught.value.fix
