"""What every transport promises, over every way to reach a device."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

import pytest

from farm.errors import InfrastructureError, UsageError
from farm.transports import Transport, names

pytestmark = pytest.mark.zoo

ODD = [
    "",
    " ",
    "a b",
    "'",
    '"',
    "$HOME",
    "`id`",
    "\\",
    "*",
    "~",
    "-n",
    "a\nb",
    "\t",
    "äß→\U0001f600",
    ";",
    "!x",
    "#",
]


def _without_noise(text: bytes) -> bytes:
    """A device's shell may greet before any command; that is the device's, not the transport's."""
    return text.removeprefix(b"Welcome!\n")


def test_every_transport_is_listed_without_importing_it() -> None:
    assert {"local", "ssh"} <= set(names())


def test_output_status_and_errors_come_back_apart(transport: Transport) -> None:
    done = transport.run(["sh", "-c", "echo out; echo err >&2; exit 7"], timeout_s=30)
    assert (done.returncode, _without_noise(done.stdout), done.stderr) == (7, b"out\n", b"err\n")


def test_arguments_arrive_exactly(transport: Transport) -> None:
    done = transport.run(["printf", "%s\\0", *ODD], timeout_s=30)
    assert _without_noise(done.stdout).split(b"\0")[:-1] == [text.encode() for text in ODD]


def test_an_argument_that_no_program_can_get_is_refused(transport: Transport) -> None:
    with pytest.raises(UsageError) as caught:
        transport.run(["echo", "a\0b"], timeout_s=30)
    assert caught.value.code == "inventory.invalid"


def test_input_arrives_whole_and_ends(transport: Transport) -> None:
    data = os.urandom(3_000_000)
    done = transport.run(["cat"], stdin=data, timeout_s=60)
    assert _without_noise(done.stdout) == data


def test_input_that_nobody_reads_is_no_error(transport: Transport) -> None:
    done = transport.run(["true"], stdin=b"x" * 3_000_000, timeout_s=60)
    assert done.returncode == 0


def test_a_command_that_is_not_there_ends_with_127(transport: Transport) -> None:
    done = transport.run(["no-such-command"], timeout_s=30)
    assert done.returncode == 127
    assert b"no-such-command" in done.stderr


def test_a_command_killed_by_a_signal_is_no_success(transport: Transport) -> None:
    assert transport.run(["sh", "-c", "kill -9 $$"], timeout_s=30).returncode != 0


def test_a_late_command_is_killed_and_the_link_stays(transport: Transport, way: str) -> None:
    # Of this machine's processes pgrep sees all, those of other runs of this test among them.
    length_s = f"90.{uuid.uuid4().int}"
    with pytest.raises(InfrastructureError) as caught:
        transport.run(["sleep", length_s], timeout_s=0.5)
    assert caught.value.code == "link.timeout"
    assert transport.alive(30)
    if way == "loopback":
        return  # an sshd without privileges forwards no signals
    script = f"for i in $(seq 100); do pgrep -f '^sleep {length_s}' || exit 0; sleep 0.2; done; exit 1"
    assert transport.run(["sh", "-c", script], timeout_s=120).returncode == 0


def test_output_beyond_the_bound_is_an_error_and_the_link_stays(transport: Transport) -> None:
    with pytest.raises(InfrastructureError) as caught:
        transport.run(["yes"], timeout_s=30, output_limit_bytes=200_000)
    assert caught.value.code == "device.output-too-large"
    assert transport.alive(30)


def test_output_to_the_errors_is_bounded_too(transport: Transport) -> None:
    with pytest.raises(InfrastructureError) as caught:
        transport.run(["sh", "-c", "yes >&2"], timeout_s=30, output_limit_bytes=200_000)
    assert caught.value.code == "device.output-too-large"


@pytest.mark.parametrize("size", [0, 1, 32 * 1024, 2_500_001])
def test_a_file_goes_there_and_back(
    transport: Transport, folder: tuple[str, Path], tmp_path: Path, size: int
) -> None:
    data = os.urandom(size)
    steps: list[int] = []
    (tmp_path / "source").write_bytes(data)
    target = f"{folder[0]}/it's a file"
    transport.put(tmp_path / "source", target, timeout_s=60, progress=steps.append)
    assert (folder[1] / "it's a file").read_bytes() == data
    assert sum(steps) == size
    transport.get(target, tmp_path / "back", timeout_s=60, limit_bytes=size)
    assert (tmp_path / "back").read_bytes() == data


def test_a_put_goes_on_at_an_offset(transport: Transport, folder: tuple[str, Path], tmp_path: Path) -> None:
    data = os.urandom(300_000)
    steps: list[int] = []
    (tmp_path / "source").write_bytes(data)
    there = folder[1] / "part"
    there.write_bytes(data[:100_000] + b"a longer, older end" * 20_000)
    there.chmod(0o666)
    transport.put(
        tmp_path / "source", f"{folder[0]}/part", timeout_s=60, offset_bytes=100_000, progress=steps.append
    )
    assert there.read_bytes() == data
    assert sum(steps) == 200_000


def test_a_put_from_the_beginning_leaves_nothing_of_the_old_file(
    transport: Transport, folder: tuple[str, Path], tmp_path: Path
) -> None:
    (tmp_path / "source").write_bytes(b"new")
    (folder[1] / "file").write_bytes(b"something longer")
    (folder[1] / "file").chmod(0o666)
    transport.put(tmp_path / "source", f"{folder[0]}/file", timeout_s=60)
    assert (folder[1] / "file").read_bytes() == b"new"


def test_a_get_is_bounded(transport: Transport, folder: tuple[str, Path], tmp_path: Path) -> None:
    (folder[1] / "big").write_bytes(b"x" * 500_000)
    (folder[1] / "big").chmod(0o644)
    with pytest.raises(InfrastructureError) as caught:
        transport.get(f"{folder[0]}/big", tmp_path / "back", timeout_s=60, limit_bytes=499_999)
    assert caught.value.code == "device.output-too-large"


def test_a_file_that_is_not_there_is_named(transport: Transport, tmp_path: Path) -> None:
    with pytest.raises(InfrastructureError, match="/no/such") as caught:
        transport.get("/no/such", tmp_path / "back", timeout_s=30, limit_bytes=10)
    assert caught.value.code == "device.no-file"


def test_a_place_that_cannot_be_written_is_named(transport: Transport, tmp_path: Path) -> None:
    (tmp_path / "source").write_bytes(b"x")
    with pytest.raises(InfrastructureError, match="/proc/nowhere/file") as caught:
        transport.put(tmp_path / "source", "/proc/nowhere/file", timeout_s=30)
    assert caught.value.code == "device.not-writable"
    assert transport.alive(30)


def test_a_living_link_says_so_and_closing_twice_is_fine(transport: Transport) -> None:
    assert transport.alive(30)
    transport.close()
    transport.close()
