"""Real devices for the transports' tests."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from farm.devices.device import Device
from farm.transports import Transport, connect
from tests.support import need
from tests.zoo.android.phone import AdbServer, Phone
from tests.zoo.android.phone import missing as no_phone
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.loopback import LoopbackDevice
from tests.zoo.loopback import missing as loopback_missing
from tests.zoo.zoo import Zoo, missing

# Each is one way to reach a device; all must behave the same.
WAYS = ("local", "loopback", "ssh", "ssh-without-sftp", "ssh-with-noise", "adb")


@pytest.fixture(scope="session")
def zoo() -> Iterator[Zoo]:
    """A zoo for the whole session; tests that break a device add their own."""
    why = missing()
    need(not why, f"no zoo here: {why}")
    with Zoo() as all_devices:
        yield all_devices


@pytest.fixture(scope="session")
def loopback() -> Iterator[LoopbackDevice]:
    """An sshd on a loopback port."""
    why = loopback_missing()
    need(not why, f"no loopback device here: {why}")
    device = LoopbackDevice("loopback")
    yield device
    device.close()


@pytest.fixture(scope="session")
def phone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Phone, AdbServer]]:
    """A phone and the real adb server that sees it."""
    why = no_phone()
    need(not why, f"no phone here: {why}")
    with contextlib.ExitStack() as stack:
        made = stack.enter_context(contextlib.closing(Phone()))
        server = stack.enter_context(contextlib.closing(AdbServer(tmp_path_factory.mktemp("adb"))))
        yield made, server


@pytest.fixture
def device(zoo: Zoo) -> Iterator[ZooDevice]:
    """A fresh device that the test may break."""
    made = zoo.add(f"own-{len(zoo.devices)}", Shape(home_bytes=64 * 1024 * 1024))
    yield made
    zoo.devices.pop(made.name).close()


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> str:
    """The name of a way to reach a device."""
    return str(request.param)


@pytest.fixture
def transport(way: str, request: pytest.FixtureRequest) -> Iterator[Transport]:
    """An open transport of that way."""
    link = connect(_entry(way, request), 20.0)
    yield link
    link.close()


@pytest.fixture
def folder(way: str, request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path]:
    """A writable folder on the device: its path there, and the same folder seen from here."""
    if way in ("local", "loopback"):
        return str(tmp_path / "there"), _made(tmp_path / "there")
    if way == "adb":
        there = f"data/local/tmp/{tmp_path.name}"
        return f"/{there}", _made(request.getfixturevalue("phone")[0].root / there)
    here = request.getfixturevalue("zoo").devices[way].home / tmp_path.name
    return f"/home/farmer/{tmp_path.name}", _made(here)


def _made(path: Path) -> Path:
    path.mkdir()
    path.chmod(0o777)
    return path


def _entry(way: str, request: pytest.FixtureRequest) -> Device:
    if way == "local":
        return Device("local", "x86-cpu", "local")
    if way == "loopback":
        entry: Device = request.getfixturevalue("loopback").entry()
        return entry
    if way == "adb":
        seen, server = request.getfixturevalue("phone")
        return Device("phone", "android-generic", server.address(seen.serial))
    zoo: Zoo = request.getfixturevalue("zoo")
    if way not in zoo.devices:
        shape = Shape(sftp=way != "ssh-without-sftp", noise="Welcome!" if way == "ssh-with-noise" else "")
        zoo.add(way, shape)
    return zoo.devices[way].entry()
