"""Links that break, drivers that die, rival drivers: every job is measured once, and never two at a time."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.farm.networks import wide_net
from tests.farm.runs import QUICK, Done, Farm, finish
from tests.support import need
from tests.zoo import network, processes
from tests.zoo.device import ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo


@dataclass(frozen=True)
class Place:
    """One sick device, one healthy one, somebody who has both, and a model."""

    zoo: Zoo
    sick: ZooDevice
    user: Farm
    model: str

    def command(self, devices: str = "sick,healthy", block_s: float = 0.05) -> list[str]:
        """A run over ``devices`` whose only block lasts ``block_s``."""
        quick = [f"{block_s:g}s" if word == "50ms" else word for word in QUICK]
        return ["--json", "bench", self.model, "-d", devices, *quick]

    def jobs(self) -> list[Path]:
        """The folders of the sick device's jobs."""
        return sorted((self.sick.home / ".farm" / "jobs").glob("*-*"))

    def measuring(self) -> list[int]:
        """The sick device's processes that measure."""
        return [pid for pid in self.sick.pids() if b"_block" in _command_line(pid)]

    def supervising(self) -> list[int]:
        """The sick device's processes that own a job."""
        return [pid for pid in self.sick.pids() if b"_supervise" in _command_line(pid)]

    def ends(self) -> None:
        """Return once nothing of any job runs on the sick device; a supervisor ends just after its job."""
        _until(lambda: not self.supervising() and not self.measuring(), "every job to end")

    def begin(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command and return once the sick device measures."""
        process = self.user.start(*arguments)
        _until(lambda: self.measuring() or process.poll() is not None, "the device to measure")
        assert process.poll() is None, finish(process)
        return process


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What was converted is converted once for the module."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def place(tmp_path: Path, cache: Path) -> Iterator[Place]:
    """Fresh devices for each test."""
    with Zoo() as zoo:
        yield _place(zoo, tmp_path, cache)


def _place(zoo: Zoo, folder: Path, cache: Path) -> Place:
    sick = zoo.add("sick")
    zoo.add("healthy")
    user = Farm(folder / "user", cache)
    user.folder.mkdir()
    zoo.write_inventory(user.inventory)
    return Place(zoo, sick, user, str(wide_net(folder / "net.onnx")))


@dataclass(frozen=True)
class Abandoned:
    """A run whose sick device was cut off in the middle of a measurement that does not end by itself."""

    place: Place
    process: subprocess.Popen[str]
    job: Path
    orphans: list[int]


@pytest.fixture(scope="module")
def abandoned(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Iterator[Abandoned]:
    """Begun with the module's first test and looked at by its last: the driver's patience lasts minutes."""
    with Zoo() as zoo:
        place = _place(zoo, tmp_path_factory.mktemp("abandoned"), cache)
        process = place.begin(*place.command(block_s=2))
        for pid in place.measuring():
            os.kill(pid, signal.SIGSTOP)
        (job,) = place.jobs()
        place.sick.cut()
        yield Abandoned(place, process, job, place.supervising())
        process.kill()
        process.wait()


@pytest.mark.usefixtures("abandoned")
def test_job_goes_on_while_sshd_is_dead_and_is_attached_again(place: Place) -> None:
    process = place.begin(*place.command(block_s=4))
    (job,), broke_unix_s = place.jobs(), time.time()
    place.sick.stop_sshd()
    assert place.supervising()
    time.sleep(2)
    place.sick.start_sshd()
    _only_one_result(place, finish(process), job, broke_unix_s)


def test_job_of_a_killed_driver_goes_on_until_somebody_gives_it_up(place: Place) -> None:
    process = place.begin(*place.command("sick", block_s=600), "--max-time", "10m")
    (job,), orphans = place.jobs(), place.supervising()
    process.kill()
    finish(process)
    waiting = place.user.run(*place.command("sick"), "--wait", "1s")
    assert place.supervising() == orphans
    listed = json.loads(place.user.run("--json", "jobs").out)["jobs"]
    dropped = place.user.run("jobs", "drop", job.name)
    again = place.user.run(*place.command("sick"))

    assert (waiting.code, waiting.row("sick")["error_code"]) == (3, "lease.timeout")
    assert f"still runs {job.name}, whose driver died" in waiting.row("sick")["error_message"]
    assert [(each["job_id"], each["state"], each["driver"]) for each in listed] == [(job.name, "started", "")]
    assert dropped.code == 0, dropped.err
    assert (again.code, again.row("sick")["status"]) == (0, "ok"), again.err
    assert f"stopping {job.name}" in again.err
    place.ends()


def test_two_farms_with_stores_of_their_own_never_measure_at_once(place: Place) -> None:
    other = Farm(place.user.folder.parent / "other", place.user.cache)
    other.folder.mkdir()
    place.zoo.write_inventory(other.inventory)
    first = place.begin(*place.command("sick", block_s=2))
    (measuring,) = place.measuring()
    os.kill(measuring, signal.SIGSTOP)
    second = other.start(*place.command("sick"))
    _wait_for_line(second, "of another coordinator runs there")
    assert place.measuring() == [measuring]
    os.kill(measuring, signal.SIGCONT)
    results = [finish(first), finish(second)]

    assert [done.code for done in results] == [0, 0], [done.err for done in results]
    spans = [_span(done.row("sick")) for done in results]
    assert spans[0][1] <= spans[1][0]


def test_many_farms_that_start_at_once_take_turns(place: Place) -> None:
    users = [Farm(place.user.folder.parent / name, place.user.cache) for name in ("a", "b", "c")]
    for user in users:
        user.folder.mkdir()
        place.zoo.write_inventory(user.inventory)
    results = [finish(process) for process in [user.start(*place.command("sick")) for user in users]]

    assert [done.code for done in results] == [0, 0, 0], [done.err for done in results]
    spans = sorted(_span(done.row("sick")) for done in results)
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans))


def test_upload_goes_on_where_it_broke(place: Place) -> None:
    size_bytes = Path(place.model).stat().st_size
    network.slow(place.sick.link, "8mbit")
    process = place.user.start(*place.command())
    folder = place.sick.home / ".farm" / "cas"

    def arrived() -> int:
        return max((path.stat().st_size for path in folder.glob("*.part")), default=0)

    _until(lambda: arrived() > size_bytes // 3, "a third of the model to arrive")
    place.sick.stop_sshd()
    place.sick.start_sshd()
    done = finish(process)

    assert done.code == 0, done.err
    sent_bytes = done.row("sick")["document"]["sent_bytes"]
    assert 0 < sent_bytes < size_bytes


def test_process_that_crashes_on_a_device_is_one_failed_job(place: Place) -> None:
    process = place.begin(*place.command(block_s=3))
    for pid in place.measuring():
        os.kill(pid, signal.SIGSEGV)
    done = finish(process)

    assert done.code == 3, done.err
    assert done.row("sick")["error_code"] == "runtime.crashed"
    assert "SIGSEGV" in done.row("sick")["error_message"]
    assert done.row("healthy")["status"] == "ok"


def test_interrupt_leaves_nothing_on_the_device_and_keeps_results(place: Place) -> None:
    before = place.user.run(*place.command("sick"))
    process = place.begin(*place.command("sick", block_s=600), "--max-time", "10m")
    process.send_signal(signal.SIGINT)
    done = finish(process)

    assert done.code == 130, done.err
    assert done.row("sick")["error_code"] == "run.interrupted"
    place.ends()
    kept = json.loads(place.user.run("--json", "results", "list").out)
    assert before.row("sick")["job_id"] in json.dumps(kept)


def test_link_that_stays_cut_fails_its_job_and_the_next_run_brings_it_home(abandoned: Abandoned) -> None:
    place = abandoned.place
    done = finish(abandoned.process)
    place.sick.heal()
    assert place.supervising() == abandoned.orphans  # nobody could tell it
    for pid in place.measuring():
        os.kill(pid, signal.SIGCONT)
    again = place.user.run(*place.command())

    assert done.code == 3, done.err
    row = done.row("sick")
    assert (row["status"], row["error_code"]) == ("failed", "device.unreachable")
    assert row["error_message"].startswith("device sick: ")
    assert f"in the middle of job {abandoned.job.name}" in row["error_message"]
    assert "check power" in row["error_fix"]
    assert done.row("healthy")["status"] == "ok"
    assert (again.code, again.row("sick")["status"]) == (0, "ok"), again.err
    assert f"brought {abandoned.job.name} home (ok)" in again.err
    kept = json.loads(place.user.run("--json", "results", "list").out)["results"]
    assert [row["status"] for row in kept if row["job_id"] == abandoned.job.name] == ["ok"]
    place.ends()


def _only_one_result(place: Place, done: Done, job: Path, broke_unix_s: float) -> None:
    """Both devices are ok; the sick one's job began before the link broke and is the only one it ever had."""
    assert done.code == 0, done.err
    row = done.row("sick")
    assert (row["status"], row["job_id"]) == ("ok", job.name)
    began, ended = _span(row)
    assert began < broke_unix_s < ended
    assert row["latency"]["blocks"] == 1
    assert {path.name for path in place.jobs()} <= {job.name}
    assert done.row("healthy")["status"] == "ok"


def _span(row: dict[str, Any]) -> tuple[float, float]:
    job = row["document"]["job"]
    return job["started_unix_s"], job["ended_unix_s"]


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def _wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    """Read what a command tells until ``words``."""
    assert process.stderr
    assert any(words in line for line in process.stderr), f"it never said {words!r}"


def _until(condition: Callable[[], object], what: str) -> None:
    processes.until(lambda: bool(condition()), what, timeout_s=120)
