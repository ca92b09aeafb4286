"""What the zoo's devices can be, seen over their own sshd."""

from __future__ import annotations

import base64
import shutil
import socket
import subprocess
import tarfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import paramiko
import pytest

import farm_agent
from farm.errors import InfrastructureError
from farm.transports import Transport, connect
from tests.support import need
from tests.zoo import boards, clock, roots, weather
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo, missing

pytestmark = pytest.mark.zoo

AGES_AGO = "1970-01-01 00:00:10"
DATE = ("date", "-u", "+%Y")


@pytest.fixture(scope="module")
def zoo() -> Iterator[Zoo]:
    """Devices that each test adds to."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    need(shutil.which("sudo"), "no sudo (apt-get install sudo)")
    with Zoo() as devices:
        yield devices


@pytest.fixture(scope="module")
def admin(zoo: Zoo) -> ZooDevice:
    """A Raspberry Pi whose user may become root with a password, and whose clock nobody set."""
    need(not clock.missing(), clock.missing())
    shape = Shape(sudo="password", clock=AGES_AGO, files=boards.PI5)
    return zoo.add("admin", shape)


@pytest.fixture
def link(admin: ZooDevice) -> Iterator[Transport]:
    """A connection to it."""
    made = connect(admin.entry(), 20)
    yield made
    made.close()


def _says(link: Transport, *command: str, stdin: str = "") -> str:
    done = link.run(command, timeout_s=30, stdin=stdin.encode())
    return (done.stdout + done.stderr).decode().strip()


def test_sudo_asks_for_the_users_own_password(admin: ZooDevice, link: Transport) -> None:
    assert "0" in _says(link, "sudo", "-S", "-p", "", "id", "-u", stdin=f"{admin.password}\n").split()
    assert "incorrect password" in _says(link, "sudo", "-S", "-p", "", "id", stdin="no\n")
    root = ("sudo", "-S", "-p", "", "sh", "-c")
    steps = "useradd -m made && visudo -c >/dev/null && su made -c 'python3 -m venv --without-pip ~/v' && "
    steps += "test -x /home/made/v/bin/python && echo whole"
    assert _says(link, *root, steps, stdin=f"{admin.password}\n") == "whole"
    assert subprocess.run(["id", "made"], capture_output=True, check=False).returncode, "it is the device's"


@pytest.mark.parametrize(
    ("sudo", "said"), [("nopasswd", "0"), ("refused", "not in the sudoers file"), ("none", "not found")]
)
def test_sudo_that_needs_no_password_or_gives_nothing(sudo: str, said: str, zoo: Zoo) -> None:
    device = zoo.add(sudo, Shape(sudo=sudo, login="password" if sudo == "refused" else "key"))  # type: ignore[arg-type]
    with _paramiko(device) as client:
        _, out, err = client.exec_command(f"echo {device.password} | sudo -S id -u", timeout=30)
        assert said in (out.read() + err.read()).decode()
    if sudo == "refused":
        with pytest.raises(InfrastructureError, match="refused the login"):
            connect(replace(device.entry(), identity=str(zoo.identity)), 20)


def _paramiko(device: ZooDevice) -> paramiko.SSHClient:
    """A client that can log in with a password, too."""
    client = paramiko.SSHClient()
    kind, key = device.host_key.split()
    client.get_host_keys().add(
        device.address, kind, paramiko.PKey.from_type_string(kind, base64.b64decode(key))
    )
    key_file = device.entry().identity
    known = {"key_filename": key_file} if key_file else {"password": device.password}
    client.connect(device.address, username=device.user, **known, look_for_keys=False, allow_agent=False)  # type: ignore[arg-type]
    return client


def test_a_clock_is_wrong_for_every_session_and_can_jump(admin: ZooDevice, link: Transport) -> None:
    assert _says(link, *DATE) == "1970"
    assert _says(link, "sudo", "-S", "-p", "", *DATE, stdin=f"{admin.password}\n") == "1970"
    program = "import os, time; open('new', 'w'); print(time.time() - os.stat('new').st_mtime < 60)"
    assert _says(link, admin.shape.python, "-c", program) == "True", "files are as old as the clock says"
    program = (
        "import subprocess, time; time.sleep(0.01); subprocess.run(['sleep', '0.1'], timeout=60); print(1)"
    )
    assert _says(link, admin.shape.python, "-c", program) == "1", "timers do not look at it"
    admin.set_clock("2031-05-06 07:08:09")
    assert _says(link, *DATE) == "2031"
    admin.set_clock("")
    assert _says(link, *DATE) == time.strftime("%Y", time.gmtime())


def test_an_agent_reads_the_files_of_the_board(link: Transport, tmp_path: Path) -> None:
    # As a file of the device: a checkout below /tmp would be hidden by the device's own
    package = shutil.make_archive(
        str(tmp_path / "agent"), "zip", Path(farm_agent.__file__).parents[1], "farm_agent"
    )
    link.put(Path(package), "agent.zip", timeout_s=60)
    program = "import sys; sys.path.insert(0, sys.argv[1]); from farm_agent import facts, sysfs;"
    program += "print(facts.model(), sysfs.memory()['total_bytes'], sysfs.thermal_zones()[0]['celsius'])"
    said = _says(link, "python3", "-c", program, "agent.zip")
    assert said == f"Raspberry Pi 5 Model B Rev 1.1 {8_256_432 * 1024} 48.75"


def test_a_reboot_forgets_what_lay_in_memory_and_sets_the_clock_back(zoo: Zoo, admin: ZooDevice) -> None:
    admin.set_clock("")
    admin.inside(["sh", "-c", "touch /tmp/gone /run/gone /dev/shm/gone /etc/kept"])
    admin.reboot()
    with _paramiko(admin) as client:
        _, out, _ = client.exec_command("ls /tmp/gone /run/gone /dev/shm/gone /etc/kept 2>&1; date -u +%Y")
        lines = out.read().decode().splitlines()
    assert [line for line in lines if line.startswith("/")] == ["/etc/kept"]
    assert lines[-1] == "1970"


def test_a_frozen_device_says_nothing_until_it_thaws(zoo: Zoo) -> None:
    device = zoo.add("frozen")
    link = connect(device.entry(), 20)
    device.freeze()
    assert not link.alive(0.3)
    device.thaw()
    link.close()
    link = connect(device.entry(), 20)
    assert _says(link, "echo", "awake") == "awake"
    device.reset()
    with pytest.raises(InfrastructureError):
        link.run(["true"], timeout_s=30)
    link.close()


def test_read_only_folders_refuse_root_as_well(zoo: Zoo) -> None:
    device = zoo.add("worn-out", Shape(read_only=("/", "/home/farmer")))
    for path in ("/etc/x", "/home/farmer/x"):
        with pytest.raises(RuntimeError, match="Read-only"):
            device.inside(["touch", path])


def test_weather_delays_and_loses_frames(zoo: Zoo) -> None:
    device = zoo.add("far", Shape(weather=True))
    assert weather.way() in ("netem", "relay")
    device.weather(delay_ms=40)
    assert _fastest(lambda: _ping(device)) >= 0.08, "both ways"
    device.weather(loss_pct=100)
    with pytest.raises(OSError, match="timed out"):
        _ping(device)
    device.weather()
    _ping(device)


def _fastest(action: Callable[[], None]) -> float:
    took = []
    for _ in range(3):
        began = time.monotonic()
        action()
        took.append(time.monotonic() - began)
    return min(took)


def _ping(device: ZooDevice) -> None:
    socket.create_connection((device.address, 22), timeout=1).close()


def test_an_archive_is_unpacked_once(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "file").write_text("text")
    with tarfile.open(tmp_path / "root.tar.gz", "w:gz") as archive:
        archive.add(tree, ".")
    place = roots.unpacked(tmp_path / "root.tar.gz")
    (place / "mark").touch()
    assert roots.unpacked(tmp_path / "root.tar.gz") == place
    assert sorted(path.name for path in place.iterdir()) == ["file", "mark"]
    assert roots.unpacked(place) == place
