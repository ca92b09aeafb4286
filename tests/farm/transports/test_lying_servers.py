"""SFTP servers that lie about sizes and ends, and commands that answer drop by drop: bounded, and typed."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from farm.errors import InfrastructureError
from farm.transports import Transport, connect
from tests.support import need
from tests.zoo import processes
from tests.zoo.device import ZooDevice
from tests.zoo.sftp_liar import REAL

pytestmark = pytest.mark.zoo

LIAR = Path(__file__).parents[2] / "zoo" / "sftp_liar.py"
SIZE = 100_000


@pytest.fixture
def liar(device: ZooDevice) -> Callable[[str], Transport]:
    """A connection to a device whose SFTP server tells the given lie."""
    need(Path(REAL).exists(), "no openssh-sftp-server")
    device.write("/opt/zoo/sftp", f"#!{sys.executable}\n{LIAR.read_text()}".encode(), 0o755)
    device.inside(["sed", "-i", "s!internal-sftp!/opt/zoo/sftp!", "/etc/zoo/sshd_config"])
    device.stop_sshd()
    device.start_sshd()

    def lying(lie: str) -> Transport:
        device.write("/etc/zoo/sftp-lie", lie.encode())
        return connect(device.entry(), 20)

    return lying


def test_sizes_that_are_lies(liar: Callable[[str], Transport], tmp_path: Path) -> None:
    source, back = tmp_path / "source", tmp_path / "back"
    source.write_bytes(os.urandom(SIZE))
    link = liar("none")
    link.put(source, "there", timeout_s=30)
    link.close()
    for lie in ("huge", "zero"):
        link = liar(lie)
        with pytest.raises(InfrastructureError) as caught:  # the last look at what was written
            link.put(source, "other", timeout_s=30)
        assert caught.value.code == "device.not-writable"
        link.get("there", back, timeout_s=30, limit_bytes=SIZE)
        assert back.read_bytes() == source.read_bytes()
        assert link.alive(20)
        link.close()


def test_file_without_an_end_stops_at_the_limit(liar: Callable[[str], Transport], tmp_path: Path) -> None:
    link = liar("endless")
    with pytest.raises(InfrastructureError) as caught:
        link.get("/etc/passwd", tmp_path / "back", timeout_s=60, limit_bytes=SIZE)
    assert caught.value.code == "device.output-too-large"
    assert not (tmp_path / "back").exists() or (tmp_path / "back").stat().st_size <= SIZE
    link.close()


def test_answer_that_comes_drop_by_drop_ends_at_the_deadline(device: ZooDevice) -> None:
    link = connect(device.entry(), 20)
    with pytest.raises(InfrastructureError) as caught:
        link.run(["sh", "-c", "while :; do printf '{'; sleep 0.1; done"], timeout_s=1)
    assert caught.value.code == "link.timeout"
    processes.until(lambda: not device.pids("sleep"), "the command to end")
    link.close()


def test_shell_that_floods_every_session_stops_at_the_limit(device: ZooDevice) -> None:
    device.write("/home/farmer/.bashrc", b"cat /dev/zero\n")
    link = connect(device.entry(), 20)
    with pytest.raises(InfrastructureError) as caught:
        link.run(["true"], timeout_s=300, output_limit_bytes=SIZE)
    assert caught.value.code == "device.output-too-large"
    processes.until(lambda: not device.pids("cat"), "the flood to end")
    link.close()
