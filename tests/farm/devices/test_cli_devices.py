"""``farm devices`` against real devices: what is pinned, refused, tried out and written."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from collections.abc import Callable

import pytest

from farm.devices import hostkeys
from tests.farm.devices.conftest import Said
from tests.zoo import sshd
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo

pytestmark = pytest.mark.zoo

Farm = Callable[..., Said]


@pytest.fixture(scope="session")
def board(zoo: Zoo) -> ZooDevice:
    """A device that works."""
    return zoo.add("board")


def _words(device: ZooDevice, name: str, *more: str) -> list[str]:
    entry = device.entry()
    words = ["devices", "add", name, entry.address, "--profile", "x86-cpu", "--identity", entry.identity]
    return [*words, "--python", entry.python, *more]


def _fingerprint(device: ZooDevice) -> str:
    return hostkeys.parse(device.host_key).fingerprint()


def test_without_devices_there_is_this_machine(farm: Farm) -> None:
    said = farm("devices", "--json")
    assert said.code == 0
    assert [each["name"] for each in said.json()["devices"]] == ["local"]


def test_an_unconfirmed_key_adds_nothing_and_tells_the_command(farm: Farm, board: ZooDevice) -> None:
    said = farm(*_words(board, "pi", "--tag", "lab"))
    assert said.code == 2
    assert "device.host-key-unconfirmed" in said.err
    assert f"--fingerprint {_fingerprint(board)}" in said.err
    assert "--tag lab" in said.err
    assert "pi" not in farm("devices", "list").out.split()


def test_a_confirmed_device_is_tried_out_and_listed(farm: Farm, board: ZooDevice) -> None:
    said = farm(*_words(board, "pi", "--tag", "lab", "--fingerprint", _fingerprint(board), "--json"))
    assert said.code == 0, said.err
    states = {finding["check"]: finding["state"] for finding in said.json()["findings"]}
    assert states["host key"] == states["agent"] == states["runtime onnxruntime"] == "ok"
    shown = farm("devices", "show", "pi", "--json").json()
    assert shown["host_key"] == board.host_key
    assert shown["fingerprint"] == _fingerprint(board)
    assert shown["tags"] == ["lab"]
    assert farm("devices", "add", "pi", "local", "--profile", "x86-cpu").code == 2
    assert farm("devices", "remove", "pi").code == 0
    assert farm("devices", "show", "pi").code == 2


def test_auto_asks_the_device_what_it_is(farm: Farm, board: ZooDevice) -> None:
    words = _words(board, "pi", "--host-key", board.host_key)
    words[words.index("x86-cpu")] = "auto"
    assert farm(*words).code == 0
    assert farm("devices", "show", "pi", "--json").json()["profile"] in ("x86-cpu", "x86-nvidia")


def test_another_fingerprint_is_refused(farm: Farm, board: ZooDevice) -> None:
    other = hostkeys.parse(sshd.make_key()[1]).fingerprint()
    said = farm(*_words(board, "pi", "--fingerprint", other))
    assert said.code == 3
    assert "device.host-key-changed" in said.err
    assert len(farm("devices", "--json").json()["devices"]) == 1


def test_a_device_that_does_not_work_yet_is_added_with_the_reason(farm: Farm, zoo: Zoo) -> None:
    bare = zoo.add("bare", Shape(python=""))
    said = farm(*_words(bare, "bare", "--host-key", bare.host_key)[:-4], "--host-key", bare.host_key)
    assert said.code == 3
    assert "device.no-python" in said.err
    assert "bare" in farm("devices", "list").out


def test_a_python_without_runtimes_is_found_out(farm: Farm, board: ZooDevice) -> None:
    words = _words(board, "poor", "--host-key", board.host_key, "--json")
    words[words.index("--python") + 1] = "/usr/bin/python3"
    said = farm(*words)
    assert said.code == 3
    findings = {finding["check"]: finding for finding in said.json()["findings"]}
    assert findings["runtimes"]["state"] == "fail"
    assert findings["runtime onnxruntime"]["fix"]


def test_a_changed_key_is_pinned_anew_only_by_its_fingerprint(farm: Farm, zoo: Zoo) -> None:
    device = zoo.add("reinstalled")
    assert farm(*_words(device, "re", "--host-key", device.host_key, "--no-probe")).code == 0
    device.change_host_key()
    said = farm("doctor", "re", "--json")
    assert said.code == 3
    found = next(each for each in said.json()["findings"] if each["state"] == "fail")
    assert (found["check"], found["code"]) == ("host key", "device.host-key-changed")
    assert farm("devices", "pin", "re").code == 2
    command = found["fix"].partition("run: farm ")[2].split()
    assert farm(*command).code == 0
    assert farm("doctor", "re").code == 0


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["add", "a b", "local", "--profile", "x86-cpu"], "device.name"),
        (["add", "pi", "pi@host", "--profile", "rpi4"], "device.address"),
        (["add", "pi", "ssh://pi:secret@host", "--profile", "rpi4"], "device.address"),
        (["add", "pi", "ssh://pi", "--profile", "rpi9"], "profile.unknown"),
        (["add", "pi", "ssh://pi", "--profile", "rpi4", "--host-key", "AAAA"], "device.host-key-format"),
        (["add", "pi", "ssh://pi", "--profile", "rpi4", "--fingerprint", "aa:bb"], "device.host-key-format"),
        (["show", "locl"], "device.unknown"),
        (["remove", "local"], "device.always-there"),
    ],
)
def test_a_mistake_is_named(farm: Farm, words: list[str], code: str) -> None:
    said = farm("devices", *words)
    assert said.code == 2
    assert f"error[{code}]" in said.err
    assert "fix:" in said.err
    assert "secret" not in said.err


@pytest.mark.parametrize(("answer", "code"), [("yes", 0), ("no", 2), ("y", 2)])
def test_a_person_confirms_with_a_whole_word(board: ZooDevice, answer: str, code: int) -> None:
    controller, terminal = pty.openpty()
    words = _words(board, "pi", "--no-probe")
    process = subprocess.Popen(
        [sys.executable, "-c", "import sys; from farm.cli import main; sys.exit(main(sys.argv[1:]))", *words],
        stdin=terminal,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(terminal)
    os.write(controller, f"{answer}\nno\n".encode())
    _, said = process.communicate(timeout=240)
    os.close(controller)
    assert process.returncode == code, said
    assert _fingerprint(board) in said
