"""SSH when things go wrong: links that are cut, disks that are full, keys that are not the pinned ones."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from farm.agent_client import AgentClient, find_python, install
from farm.devices import hostkeys
from farm.devices.root import make_root
from farm.errors import FarmError, InfrastructureError
from farm.ship import ship
from farm.transports import connect, ssh
from farm.transports.ssh.opening import open_connection
from farm_agent import pack
from farm_agent.wire import Blob
from tests.zoo import network, processes, sshd
from tests.zoo.device import Shape, ZooDevice
from tests.zoo.zoo import Zoo

pytestmark = pytest.mark.zoo

STALL_S = 5.0  # a busy machine may well stand still for a second, and then no cable was pulled


def _code(action: Callable[[], object]) -> str:
    with pytest.raises(FarmError) as caught:
        action()
    assert caught.value.fix
    return caught.value.code


def _sparse(path: Path, size: int) -> Path:
    with path.open("wb") as file:
        file.truncate(size)
    return path


def test_a_cable_pulled_in_the_middle_of_a_put_ends_it_before_its_deadline(
    device: ZooDevice, tmp_path: Path
) -> None:
    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), stall_s=STALL_S)
    source = _sparse(tmp_path / "big", 48 * 1024 * 1024)
    moved = []

    def count(step: int) -> None:
        moved.append(step)
        if len(moved) == 5:
            device.cut()

    assert _code(lambda: link.put(source, "/home/farmer/x", timeout_s=120, progress=count)) == "link.lost"
    link.close()
    device.heal()
    link = ssh.connect(device.entry(), 20)
    start = (device.home / "x").stat().st_size
    assert start < source.stat().st_size
    link.put(source, "/home/farmer/x", timeout_s=60, offset_bytes=start)
    assert (device.home / "x").stat().st_size == source.stat().st_size
    link.close()


def test_a_cable_pulled_under_a_command_ends_it_at_its_deadline(device: ZooDevice) -> None:
    link = ssh.connect(device.entry(), 20)
    device.cut()
    assert _code(lambda: link.run(["true"], timeout_s=1)) == "link.timeout"
    assert not link.alive(0.5)
    link.close()


def test_a_server_that_ends_under_a_command_is_a_lost_link(device: ZooDevice) -> None:
    link = ssh.connect(device.entry(), 20)
    threading.Timer(0.3, device.stop_sshd).start()
    assert _code(lambda: link.run(["sleep", "60"], timeout_s=60)) == "link.lost"
    assert _code(lambda: link.run(["true"], timeout_s=60)) == "link.lost"
    assert not link.alive(5)
    link.close()


def test_a_full_disk_is_called_so_with_and_without_sftp(zoo: Zoo, tmp_path: Path) -> None:
    source = _sparse(tmp_path / "big", 8 * 1024 * 1024)
    for sftp in (True, False):
        made = zoo.add(f"full-{sftp}", Shape(home_bytes=4 * 1024 * 1024, sftp=sftp))
        link = ssh.connect(made.entry(), 20)
        assert _code(partial(link.put, source, "/home/farmer/x", timeout_s=60)) == "device.disk-full"
        made.fill_disk()
        assert _code(partial(link.put, source, "/home/farmer/y", timeout_s=60)) == "device.disk-full"
        assert link.alive(20)
        link.close()


def test_a_folder_of_another_user_is_called_not_writable(device: ZooDevice, tmp_path: Path) -> None:
    link = ssh.connect(device.entry(), 20)
    source = _sparse(tmp_path / "file", 10)
    assert _code(lambda: link.put(source, "/etc/passwd", timeout_s=30)) == "device.not-writable"
    link.close()


def test_a_changed_host_key_is_refused_with_both_fingerprints(device: ZooDevice) -> None:
    entry = device.entry()
    device.change_host_key()
    with pytest.raises(InfrastructureError) as caught:
        connect(entry, 20)
    assert caught.value.code == "device.host-key-changed"
    new = hostkeys.parse(device.host_key).fingerprint()
    assert hostkeys.parse(entry.host_key).fingerprint() in caught.value.message
    assert new in caught.value.message
    assert f"farm devices pin {device.name} --fingerprint {new}" in caught.value.fix


def test_a_device_without_pinned_key_is_refused(device: ZooDevice) -> None:
    with pytest.raises(InfrastructureError) as caught:
        connect(replace(device.entry(), host_key=""), 20)
    assert caught.value.code == "device.host-key-unknown"
    assert hostkeys.parse(device.host_key).fingerprint() in caught.value.message


def test_a_key_of_another_type_is_never_negotiated(zoo: Zoo) -> None:
    """The server has RSA and ECDSA keys; the pinned one is a key of a type it does not have."""
    made = zoo.add("many-keys", Shape(key_types=("rsa", "ecdsa")))
    _, other = sshd.make_key("ed25519")
    pinned = replace(made.entry(), host_key=" ".join(other.split()[:2]))
    assert _code(lambda: connect(pinned, 20)) == "device.host-key-changed"


@pytest.mark.parametrize("kind", ["rsa", "ecdsa", "ed25519"])
def test_the_pinned_type_is_used_where_the_server_has_several(zoo: Zoo, kind: str) -> None:
    types = (kind, *(other for other in ("ed25519", "rsa", "ecdsa") if other != kind))
    made = zoo.add(f"first-{kind}", Shape(key_types=types))
    link = connect(made.entry(), 20)
    assert link.alive(20)
    link.close()


def test_the_key_of_a_server_is_read_without_logging_in(device: ZooDevice) -> None:
    stranger = replace(device.entry(), address=f"ssh://nobody-there@{device.address}", identity="")
    assert hostkeys.fetch(stranger, 20).text() == device.host_key


def test_a_wrong_user_and_a_wrong_key_are_refused_logins(device: ZooDevice, tmp_path: Path) -> None:
    private, _ = sshd.make_key()
    (tmp_path / "id").write_text(private)
    (tmp_path / "id").chmod(0o600)
    entry = device.entry()
    wrong_user = replace(entry, address=f"ssh://root@{device.address}")
    assert _code(lambda: connect(wrong_user, 20)) == "device.auth"
    assert _code(lambda: connect(replace(entry, identity=str(tmp_path / "id")), 20)) == "device.auth"
    assert _code(lambda: connect(replace(entry, identity="/no/such/key"), 20)) == "device.identity"


def test_an_address_where_nobody_is_says_why(device: ZooDevice) -> None:
    entry = device.entry()
    closed = replace(entry, address=f"ssh://farmer@{device.address}:9")
    with pytest.raises(InfrastructureError, match="connection refused") as caught:
        connect(closed, 20)
    assert caught.value.code == "device.unreachable"
    device.cut()
    with pytest.raises(InfrastructureError, match="no answer") as caught:
        connect(entry, 1)
    assert caught.value.code == "device.unreachable"
    unknown = replace(entry, address="ssh://farmer@no-such-host.invalid")
    assert _code(lambda: connect(unknown, 20)) == "device.unreachable"


@pytest.mark.parametrize("greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b""])
def test_a_server_that_speaks_no_ssh_is_unreachable(device: ZooDevice, greeting: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def answer() -> None:
            link, _ = server.accept()
            with link:
                link.sendall(greeting)

        threading.Thread(target=answer, daemon=True).start()
        entry = replace(device.entry(), address=f"ssh://x@127.0.0.1:{server.getsockname()[1]}")
        assert _code(lambda: connect(entry, 3)) == "device.unreachable"


def test_shipping_goes_on_after_a_cable_was_pulled(device: ZooDevice, tmp_path: Path) -> None:
    source = tmp_path / "model"
    source.write_bytes(os.urandom(24 * 1024 * 1024))
    blob = Blob(hashlib.sha256(source.read_bytes()).hexdigest(), source.stat().st_size, "model")
    packed = pack.build(tmp_path)
    moved: list[int] = []

    def count(step: int) -> None:
        moved.append(step)
        if len(moved) == 300:
            device.cut()

    def agent(link: ssh.Ssh) -> AgentClient:
        root = make_root(link, device.entry())
        return install(link, find_python(link, [device.entry().python]), packed, root)

    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), stall_s=STALL_S)
    client = agent(link)
    assert _code(lambda: ship(client, link, [(blob, source)], timeout_s=120, progress=count)) == "link.lost"
    link.close()
    device.heal()
    link = ssh.connect(device.entry(), 20)
    client = agent(link)
    shipped = ship(client, link, [(blob, source)], timeout_s=120)
    assert 0 < shipped.sent_bytes < blob.size_bytes
    assert ship(client, link, [(blob, source)], timeout_s=120).present_files == 1
    link.close()


def test_only_the_pinned_keys_algorithm_is_offered(device: ZooDevice) -> None:
    """Read from the client's own first packet, as a server sees it (RFC 4253, 7.1)."""
    seen: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            link, _ = server.accept()
            with link, link.makefile("rb") as stream:
                link.sendall(b"SSH-2.0-listener\r\n")
                stream.readline()
                packet = stream.read(int.from_bytes(stream.read(4), "big"))
                lists = packet[1 + 1 + 16 :]  # padding length, message number, cookie
                for _ in range(2):
                    length = int.from_bytes(lists[:4], "big")
                    seen.append(lists[4 : 4 + length])
                    lists = lists[4 + length :]

        listener = threading.Thread(target=listen)
        listener.start()
        entry = replace(device.entry(), address=f"ssh://x@127.0.0.1:{server.getsockname()[1]}")
        assert _code(lambda: connect(entry, 5)) == "device.unreachable"
        listener.join(10)
    # paramiko adds the certified form of the same key by itself; it is held to the same pinned key.
    assert seen[1].split(b",") == [b"ssh-ed25519", b"ssh-ed25519-cert-v01@openssh.com"]


@pytest.mark.parametrize("way", ["cut", "frozen"])
def test_a_device_that_falls_silent_is_noticed_under_a_command_that_waits(
    device: ZooDevice, way: str
) -> None:
    """Neither tells the kernel anything (a frozen server's kernel goes on acknowledging)."""
    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), silence_s=1.5)
    assert link.run(["sleep", "3"], timeout_s=120).returncode == 0  # a silence that is answered is none
    servers = device.pids("sshd")
    if way == "cut":
        device.cut()
    else:
        _signal(servers, signal.SIGSTOP)
    try:
        with pytest.raises(InfrastructureError, match=r"no answer for \d s") as caught:
            link.run(["sleep", "120"], timeout_s=120)
        assert caught.value.code == "link.lost"
        assert _code(lambda: link.run(["true"], timeout_s=20)) == "link.lost"
    finally:
        link.close()
        _signal(servers, signal.SIGCONT)


def test_an_idle_link_whose_device_is_gone_is_known_before_the_next_call(device: ZooDevice) -> None:
    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), silence_s=1.0)
    device.cut()
    processes.until(lambda: not link.is_open(), "the silence to be noticed")
    assert _code(lambda: link.run(["true"], timeout_s=600)) == "link.lost"
    link.close()


def test_a_slow_link_with_a_full_queue_is_not_silent(device: ZooDevice, tmp_path: Path) -> None:
    """Nothing arrives for long while `cat` takes what the kernel has queued: the queue moves."""
    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), silence_s=3.0)
    network.slow(device.link, "300kbit")
    source = _sparse(tmp_path / "big", 300 * 1024)
    assert link.run(["wc", "-c"], timeout_s=120, stdin=source.read_bytes()).stdout.strip() == b"307200"
    link.close()


def test_an_upload_over_a_slow_link_is_not_stalled_while_its_queue_moves(
    device: ZooDevice, tmp_path: Path
) -> None:
    """All of it fits into the link's queues: nothing is written and nothing answered for several stalls."""
    link = ssh.Ssh(device.name, open_connection(device.entry(), 20), stall_s=2.0)
    assert link.has_sftp(20)
    network.slow(device.link, "300kbit")
    target = f"/home/{device.user}/slow"
    link.put(_sparse(tmp_path / "big", 300 * 1024), target, timeout_s=120)
    assert link.run(["wc", "-c", target], timeout_s=60).stdout.split()[0] == b"307200"
    link.close()


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
