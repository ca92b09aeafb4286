"""The zoo itself: devices are real, apart from each other, and gone without a trace."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tomllib
import uuid
from pathlib import Path

import pytest

from farm.devices import inventory
from farm.transports import connect
from tests.support import ROOT, need
from tests.zoo import processes
from tests.zoo.device import Shape
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo


@pytest.fixture(autouse=True)
def possible() -> None:
    """A zoo needs root and a few programs."""
    why = missing()
    need(not why, f"no zoo here: {why}")


def _links() -> dict[str, str]:
    """Number by name of the devices' links on this machine. The kernel gives no number twice, while another
    zoo may take a name as soon as it is free."""
    done = subprocess.run(["ip", "-o", "link"], capture_output=True, text=True, check=True)
    words = [line.split() for line in done.stdout.splitlines() if ": fz" in line]
    return {name.partition("@")[0]: number for number, name, *_ in words}


def _gone(pids: list[int]) -> None:
    processes.until(
        lambda: not any(Path(f"/proc/{pid}/root").exists() for pid in pids), "every process to end"
    )


def test_devices_are_apart_and_run_this_python(tmp_path: Path) -> None:
    marker = f"zoo-{uuid.uuid4()}"
    with Zoo() as zoo:
        zoo.add_all(2)
        zoo.write_inventory(tmp_path / "devices.toml")
        devices = inventory.load(tmp_path / "devices.toml")
        seen = []
        for name in ("zoo-1", "zoo-2"):
            link = connect(devices[name], 20)
            program = "import os, numpy; print(os.uname().nodename, os.getuid(), len(os.listdir('/home')))"
            done = link.run([devices[name].python, "-c", program], timeout_s=60)
            seen.append(done.stdout.decode().split())
            assert link.run(["touch", f"/tmp/{marker}"], timeout_s=20).returncode == 0
            link.close()
        assert [words[:2] for words in seen] == [["zoo-1", "4201"], ["zoo-2", "4201"]]
        assert not Path(f"/tmp/{marker}").exists()
        assert devices["zoo-1"].host_key != devices["zoo-2"].host_key


def test_nothing_is_left_of_a_device_that_ends() -> None:
    with Zoo() as zoo:
        device = zoo.add("gone")
        number = _links()[device.link.interface]
        link = connect(device.entry(), 20)
        link.run(["sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 </dev/null & exit 0"], timeout_s=20)
        pids = [device.pid, *device.pids()]
        folder, keys = device._folder, zoo.folder
        assert len(pids) >= 3
        link.close()
    _gone(pids)
    processes.until(lambda: number not in _links().values(), "the link to vanish")
    assert not folder.exists()
    assert not keys.exists()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL, "down"])
def test_the_command_leaves_nothing_however_it_ends(tmp_path: Path, end: signal.Signals | str) -> None:
    path = tmp_path / "devices.toml"
    inventory.add(path, inventory.LOCAL)
    command = [sys.executable, "-m", "tests.zoo", "--inventory", str(path)]
    process = subprocess.Popen(
        [*command, "--count", "2"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    try:
        assert process.stdout
        lines: list[str] = []
        while not lines or "2 devices up" not in lines[-1]:
            lines.append(process.stdout.readline())
            assert lines[-1], "it ended"
        devices = tomllib.loads(path.read_text())["devices"]
        assert set(devices) == {"local", "zoo-1", "zoo-2"}
        pasted = tomllib.loads("".join(lines))["devices"]
        assert pasted == {name: entry for name, entry in devices.items() if name != "local"}
        pids = _descendants(process.pid)
        if isinstance(end, str):
            subprocess.run([*command, "--down"], cwd=ROOT, check=True, timeout=60)
        else:
            os.kill(process.pid, end)
        process.wait(30)
    finally:
        if process.poll() is None:
            process.kill()
        if process.stdout:
            process.stdout.close()
    _gone(pids)
    if end is not signal.SIGKILL:
        assert list(inventory.load(path)) == ["local"]
        assert [entry.name for entry in tmp_path.iterdir() if entry.is_dir()] == []


def _descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    threads = [int(child) for child in children]
    return threads + [each for child in threads for each in _descendants(child)]


def test_a_reboot_ends_processes_and_changes_the_boot_id_but_keeps_files() -> None:
    with Zoo() as zoo:
        device = zoo.add("board")
        link = connect(device.entry(), 20)
        link.run(
            ["sh", "-c", "echo kept >kept; setsid sleep 1000 >/dev/null 2>&1 </dev/null &"], timeout_s=20
        )
        before = link.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=20).stdout
        assert device.pids("sleep")
        device.reboot()
        assert not device.pids("sleep")
        assert not link.alive(5)
        link.close()
        link = connect(device.entry(), 20)
        assert link.run(["cat", "/proc/sys/kernel/random/boot_id"], timeout_s=20).stdout != before
        assert link.run(["cat", "kept"], timeout_s=20).stdout == b"kept\n"
        link.close()


def test_a_cut_is_silent_and_heals() -> None:
    with Zoo() as zoo:
        device = zoo.add("cut")
        link = connect(device.entry(), 20)
        device.cut()
        assert not link.alive(0.5)
        device.heal()
        link.close()
        link = connect(device.entry(), 20)
        assert link.alive(20)
        link.close()


def test_a_device_without_python_has_none() -> None:
    with Zoo() as zoo:
        device = zoo.add("bare", Shape(python=""))
        link = connect(device.entry(), 20)
        assert link.run(["python3", "-c", ""], timeout_s=20).returncode == 127
        assert link.run([sys.executable, "-c", ""], timeout_s=20).returncode != 0
        link.close()
    assert Path(sys.executable).exists()


def test_devices_that_start_at_once_get_addresses_of_their_own() -> None:
    with Zoo() as zoo:
        devices = zoo.add_all(6)
        assert len({device.address for device in devices}) == 6
        assert len({device.host_key for device in devices}) == 6
