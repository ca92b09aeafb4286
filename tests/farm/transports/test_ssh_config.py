"""~/.ssh/config is honoured, and no jump host is ever accepted unseen."""

from __future__ import annotations

import getpass
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from farm.devices import hostkeys
from farm.errors import FarmError
from farm.transports import connect
from farm.transports.ssh.opening import close_quietly, open_connection
from tests.zoo import sshd
from tests.zoo.device import ZooDevice
from tests.zoo.loopback import LoopbackDevice

pytestmark = pytest.mark.zoo


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An ~/.ssh of our own."""
    folder = tmp_path / ".ssh"
    folder.mkdir(mode=0o700)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return folder


@pytest.fixture
def jump(loopback: LoopbackDevice) -> LoopbackDevice:
    """A second SSH server, from which the device can be reached."""
    return loopback


def test_host_name_user_port_and_key_come_from_the_config(device: ZooDevice, settings: Path) -> None:
    (settings / "config").write_text(
        f"Host Alias\n HostName {device.address}\n User farmer\n Port 22\n"
        f" IdentityFile {device.entry().identity}\n IdentityFile ~/.ssh/absent\n"
    )
    link = connect(replace(device.entry(), address="ssh://Alias", identity=""), 20)
    assert link.alive(20)
    link.close()


def test_a_mistake_in_the_config_is_the_users_to_correct(device: ZooDevice, settings: Path) -> None:
    (settings / "config").write_text("Host *\n Port what\n")
    with pytest.raises(FarmError) as caught:
        connect(device.entry(), 20)
    assert caught.value.code == "config.ssh"


def _jump_config(settings: Path, jump: LoopbackDevice) -> None:
    (settings / "config").write_text(
        f"Host 10.222.*\n ProxyJump {getpass.getuser()}@127.0.0.1:{jump.port}\n"
        f"Host 127.0.0.1\n IdentityFile {jump.identity}\n"
    )


def test_a_known_jump_host_is_passed(device: ZooDevice, jump: LoopbackDevice, settings: Path) -> None:
    _jump_config(settings, jump)
    (settings / "known_hosts").write_text(f"[127.0.0.1]:{jump.port} {jump.host_key}\n")
    link = connect(device.entry(), 20)
    assert link.run(["hostname"], timeout_s=20).stdout.decode().strip() == device.name
    link.close()
    assert hostkeys.fetch(device.entry(), 20).text() == device.host_key


@pytest.mark.parametrize("known", ["nothing", "another"])
def test_a_jump_host_that_is_not_known_is_refused(
    device: ZooDevice, jump: LoopbackDevice, settings: Path, known: str
) -> None:
    _jump_config(settings, jump)
    if known == "another":
        (settings / "known_hosts").write_text(f"[127.0.0.1]:{jump.port} {sshd.make_key()[1]}\n")
    for action in (lambda: connect(device.entry(), 20), lambda: hostkeys.fetch(device.entry(), 20)):
        with pytest.raises(FarmError) as caught:
            action()
        code = {"nothing": "device.host-key-unknown", "another": "device.host-key-changed"}[known]
        assert caught.value.code == code
        assert str(jump.port) in caught.value.message
    known_hosts = settings / "known_hosts"
    assert not known_hosts.exists() or device.address not in known_hosts.read_text()


def test_the_devices_own_key_is_checked_behind_a_known_jump_host(
    device: ZooDevice, jump: LoopbackDevice, settings: Path
) -> None:
    _jump_config(settings, jump)
    (settings / "known_hosts").write_text(
        f"[127.0.0.1]:{jump.port} {jump.host_key}\n{device.address} {device.host_key}\n"
    )
    wrong = replace(device.entry(), host_key=" ".join(sshd.make_key()[1].split()[:2]))
    with pytest.raises(FarmError) as caught:
        connect(wrong, 20)
    assert caught.value.code == "device.host-key-changed"


def test_a_dead_ssh_agent_delays_nothing_for_ever(
    device: ZooDevice, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as agent:
        agent.bind(str(settings / "agent"))
        agent.listen()
        monkeypatch.setenv("SSH_AUTH_SOCK", str(settings / "agent"))
        link = connect(device.entry(), 20)
        assert link.alive(20)
        link.close()


def test_several_jumps_are_passed_in_the_order_written(
    device: ZooDevice, jump: LoopbackDevice, settings: Path
) -> None:
    """The first is this machine's loopback, the second the address that only its far side may mean."""
    second = LoopbackDevice("second")
    try:
        me = getpass.getuser()
        (settings / "config").write_text(
            f"Host 10.222.*\n ProxyJump {me}@127.0.0.1:{jump.port},{me}@localhost:{second.port}\n"
            f"Host 127.0.0.1\n IdentityFile {jump.identity}\n"
            f"Host localhost\n HostName 127.0.0.1\n IdentityFile {second.identity}\n"
        )
        (settings / "known_hosts").write_text(
            f"[127.0.0.1]:{jump.port} {jump.host_key}\n[127.0.0.1]:{second.port} {second.host_key}\n"
        )
        connection = open_connection(device.entry(), 20)
        last = connection.gateway
        assert (last.port, last.gateway.port, last.gateway.gateway) == (second.port, jump.port, None)
        close_quietly(connection)
    finally:
        second.close()


@pytest.mark.parametrize("line", ["ProxyJump none", "ProxyCommand none", "ProxyJump 10.222.0.0/16"])
def test_no_jump_where_there_is_none(device: ZooDevice, settings: Path, line: str) -> None:
    line = line.replace("10.222.0.0/16", device.address)  # a pattern that matches its own jump host
    (settings / "config").write_text(f"Host *\n {line}\n")
    link = connect(device.entry(), 20)
    assert link.alive(20)
    link.close()


def test_a_proxy_command_is_used(device: ZooDevice, jump: LoopbackDevice, settings: Path) -> None:
    (settings / "config").write_text(
        f"Host behind\n HostName {device.address}\n"
        f" ProxyCommand ssh -F none -p {jump.port} -i {jump.identity}"
        f" -o UserKnownHostsFile={settings}/known_hosts -W %h:%p {getpass.getuser()}@127.0.0.1\n"
    )
    (settings / "known_hosts").write_text(f"[127.0.0.1]:{jump.port} {jump.host_key}\n")
    link = connect(replace(device.entry(), address="ssh://farmer@behind"), 20)
    assert link.alive(20)
    link.close()


def test_jumps_in_a_circle_are_the_users_to_correct(device: ZooDevice, settings: Path) -> None:
    (settings / "config").write_text("Host a\n ProxyJump b\nHost b\n ProxyJump a\n")
    with pytest.raises(FarmError) as caught:
        connect(replace(device.entry(), address="ssh://a"), 20)
    assert caught.value.code == "config.ssh"
