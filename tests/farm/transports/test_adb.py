"""Phones that do not want, are not there, or are two; servers that vanish or speak something else."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from adbutils import AdbError
from hypothesis import given
from hypothesis import strategies as st

from farm.devices.device import Device
from farm.errors import FarmError, InfrastructureError
from farm.transports import adb
from farm.transports.adb import phones, server
from tests.support import need
from tests.zoo import processes
from tests.zoo.android.phone import AdbServer, Phone, missing
from tests.zoo.android.standin import Daemon, Server, fail, okay

ONE = "0123456789ABCDEF       device usb:1-4 product:oriole model:Pixel_6 device:oriole transport_id:3\n"
TWO = ONE + ONE.replace("1-4", "1-5")


def _device(port: int, serial: str = "0123456789ABCDEF") -> Device:
    return Device("pixel-a", "pixel", f"adb:{serial}@127.0.0.1:{port}")


@pytest.fixture
def speaking() -> Iterator[Callable[..., Device]]:
    """A device at a server that gives these answers."""
    with contextlib.ExitStack() as stack:

        def make(
            answers: dict[str, bytes | Callable[[socket.socket], None]], serial: str = "0123456789ABCDEF"
        ) -> Device:
            made = stack.enter_context(contextlib.closing(Server(answers)))
            return _device(made.port, serial)

        yield make


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[AdbServer]:
    """A real adb server that sees nothing yet."""
    need(not missing(), f"no adb here: {missing()}")
    with contextlib.closing(AdbServer(tmp_path_factory.mktemp("adb"))) as made:
        yield made


def _caught(device: Device, timeout_s: float = 5.0) -> FarmError:
    with pytest.raises(FarmError) as caught:
        adb.connect(device, timeout_s)
    return caught.value


def test_a_phone_that_does_not_trust_this_computer_says_what_to_do(real: AdbServer) -> None:
    with contextlib.closing(Daemon("unauthorized")) as phone:
        error = _caught(_device(real.port, phone.serial), 2.0)
    assert (error.code, "unlock the phone and accept" in error.fix) == ("device.auth", True)


def test_a_phone_that_never_answers_is_offline(real: AdbServer) -> None:
    with contextlib.closing(Daemon("silent")) as phone:
        error = _caught(_device(real.port, phone.serial), 1.5)
    assert error.code == "device.unreachable"
    assert phone.serial in error.message


def test_a_serial_that_nobody_has_tells_which_there_are(
    speaking: Callable[..., Device],
) -> None:
    error = _caught(speaking({"host:devices-l": okay("")}))
    other = _caught(speaking({"host:devices-l": okay(ONE)}, "OTHER"))
    assert (error.code, "it sees none" in error.message) == ("device.unreachable", True)
    assert (other.code, "it sees 0123456789ABCDEF" in other.message) == ("device.unreachable", True)


def test_two_phones_with_one_serial_are_told_apart_by_their_sockets(
    speaking: Callable[..., Device],
) -> None:
    answers = {"host:devices-l": okay(TWO), "host:transport": fail("more than one device")}
    error = _caught(speaking(answers))
    assert error.code == "adb.ambiguous"
    assert "adb:usb:1-4 or adb:usb:1-5" in error.fix
    assert _caught(speaking(answers, "usb:1-5")).code != "adb.ambiguous"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("X unauthorized usb:1-4 transport_id:1", "device.auth"),
        ("X no permissions (user is in the plugdev group); see [http://d] usb:1-4", "adb.permissions"),
        ("X bootloader usb:1-4", "device.unreachable"),
        ("X recovery usb:1-4 transport_id:1", "device.unreachable"),
    ],
)  # fmt: skip
def test_each_state_of_a_phone_has_its_error(speaking: Callable[..., Device], line: str, code: str) -> None:
    assert _caught(speaking({"host:devices-l": okay(line + "\n")}, "X")).code == code


@pytest.mark.parametrize(
    ("said", "code"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "adb.garbled"),
        (b"OKAYzzzz", "adb.garbled"),
        (b"OKAY00", "adb.garbled"),
        (okay("neither line nor state"), "adb.garbled"),
        (fail("no such thing"), "adb.refused"),
        (b"", "adb.garbled"),
    ],
)
def test_what_does_not_speak_adb_is_said_to(speaking: Callable[..., Device], said: bytes, code: str) -> None:
    assert _caught(speaking({"host:devices-l": said})).code == code


def test_a_server_that_never_answers_ends_at_the_deadline(
    speaking: Callable[..., Device], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(phones, "CONNECT_TIMEOUT_S", 0.2)
    error = _caught(speaking({"host:devices-l": lambda peer: time.sleep(5)}))
    assert (error.code, "did not answer" in error.message) == ("device.unreachable", True)


@pytest.mark.parametrize(
    ("packet", "code"),
    [
        (struct.pack("<BI", 9, 1) + b"x", "adb.garbled"),
        (struct.pack("<BI", 1, 2**31), "adb.garbled"),
        (struct.pack("<BI", 3, 4) + b"xxxx", "adb.garbled"),
        (struct.pack("<BI", 1, 100) + b"cut", "link.lost"),
        (struct.pack("<BI", 1, 5) + b"noise", "adb.garbled"),
        (b"", "link.lost"),
    ],
)
def test_a_phone_whose_shell_speaks_something_else(
    speaking: Callable[..., Device], packet: bytes, code: str
) -> None:
    answers = {
        "host:devices-l": okay(ONE),
        "host-serial:": okay("shell_v2,cmd"),
        "host:transport": b"OKAY",
        "shell,v2": b"OKAY" + packet,
    }
    assert _caught(speaking(answers)).code == code


def test_a_late_command_that_ignores_its_sighup_is_killed(phone: tuple[Phone, AdbServer]) -> None:
    made, at = phone
    link = adb.connect(Device("phone", "android-generic", at.address(made.serial)), 20)
    try:
        with pytest.raises(InfrastructureError) as caught:
            link.run(["sh", "-c", "trap '' HUP; exec sleep 91"], timeout_s=1)
    finally:
        link.close()
    assert caught.value.code == "link.timeout"
    processes.until(lambda: not made.pids("sleep"), "the command to end")


def test_an_opening_that_came_too_late_starts_nothing(phone: tuple[Phone, AdbServer]) -> None:
    made, at = phone
    link = adb.connect(Device("phone", "android-generic", at.address(made.serial)), 20)
    target = f"/data/local/tmp/late-{random.randrange(10**30)}"
    daemon = made.pids("adbd")
    try:
        for pid in daemon:
            os.kill(pid, signal.SIGSTOP)
        try:
            with pytest.raises(InfrastructureError) as caught:
                link.run(["touch", target], timeout_s=0.3)
        finally:
            for pid in daemon:
                os.kill(pid, signal.SIGCONT)
        assert caught.value.code == "link.timeout"
        assert link.run(["sh", "-c", 'sleep 0.5; [ ! -e "$1" ]', "sh", target], timeout_s=30).returncode == 0
    finally:
        link.close()


def test_an_old_phone_without_exit_codes_is_refused(speaking: Callable[..., Device]) -> None:
    answers = {"host:devices-l": okay(ONE), "host-serial:": okay("cmd,shell"), "host:transport": b"OKAY"}
    assert _caught(speaking(answers)).code == "adb.old-shell"


def test_a_server_elsewhere_is_never_started_and_one_here_needs_a_program(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("adbutils.adb_path", _no_adb)
    here = _caught(_device(port))
    elsewhere = _caught(Device("pixel-a", "pixel", f"adb:X@127.0.0.2:{port}"))
    assert here.code == "adb.no-program"
    assert elsewhere.code == "device.unreachable"


def _no_adb() -> str:
    raise AdbError("No adb exe could be found")


def test_a_server_is_started_where_none_answers_and_a_running_one_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    need(not missing(), f"no adb here: {missing()}")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ADB_SERVER_SOCKET", f"tcp:127.0.0.1:{port}")
    device = Device("pixel-a", "pixel", "adb:NOBODY")
    try:
        first, started = _caught(device, 20), _listeners(port)
        second, left = _caught(device, 20), _listeners(port)
    finally:
        for pid in _listeners(port):
            os.kill(pid, 9)
    assert (first.code, second.code) == ("device.unreachable", "device.unreachable")
    assert "it sees none" in first.message
    assert len(started) == 1
    assert left == started


def _listeners(port: int) -> list[int]:
    """The adb servers of that port."""
    words = [b"-P", str(port).encode(), b"server"]
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            command = (entry / "cmdline").read_bytes().split(b"\0") if entry.name.isdigit() else []
            if words[0] in command and words[1] in command:
                found.append(int(entry.name))
    return found


def test_servers_are_named_by_address_or_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from farm.devices.address import parse_address

    def of(text: str) -> str:
        return server.server_of(parse_address(text)).text()

    assert of("adb:X") == "127.0.0.1:5037"
    assert of("adb:X@lab") == "lab:5037"
    assert of("adb:X@lab:99") == "lab:99"
    monkeypatch.setenv("ANDROID_ADB_SERVER_PORT", "5040")
    assert of("adb:X") == "127.0.0.1:5040"
    monkeypatch.setenv("ADB_SERVER_SOCKET", "tcp:other:5041")
    assert of("adb:X") == "other:5041"
    assert of("adb:X@lab") == "lab:5037"


@given(st.text(max_size=300))
def test_no_list_of_devices_is_read_as_something_else(text: str) -> None:
    with contextlib.suppress(ValueError):
        for each in phones.parse(text):
            assert each.serial
            assert each.state


def test_cut_and_shuffled_lists_are_read_or_refused() -> None:
    draw = random.Random(5)
    for _ in range(300):
        text = bytearray(TWO.encode())
        for _ in range(draw.randrange(4)):
            text[draw.randrange(len(text))] = draw.randrange(256)
        with contextlib.suppress(ValueError):
            phones.parse(text[: draw.randrange(len(text))].decode("utf-8", "replace"))


def test_importing_farm_does_not_import_adbutils() -> None:
    import subprocess

    code = "import sys, farm.transports.adb, farm.phone; sys.exit('adbutils' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "adbutils", None)
    for name in ("phones", "server"):
        monkeypatch.delitem(sys.modules, f"farm.transports.adb.{name}", raising=False)
        monkeypatch.delattr(adb, name, raising=False)
    with pytest.raises(InfrastructureError) as caught:
        adb.connect(_device(1), 1)
    assert caught.value.code == "adb.missing"
    assert "edgefarm[android]" in caught.value.fix
