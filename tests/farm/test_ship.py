"""Shipping: nothing twice, on from where it stopped, never a wrong byte."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from farm import ship as shipping
from farm.agent_client import AgentClient, find_python, install
from farm.errors import InfrastructureError
from farm.ship import Shipped, ship
from farm.transports.local import Local
from farm_agent import pack
from farm_agent.wire import Blob


class Counting(Local):
    """The real local transport; counts what it sends, and may spoil it."""

    def __init__(self, spoil: Sequence[bool] = ()) -> None:
        super().__init__()
        self.offsets: list[int] = []
        self._spoil = list(spoil)

    def put(
        self,
        source: Path,
        target: str,
        *,
        timeout_s: float,
        offset_bytes: int = 0,
        progress: Callable[[int], None] | None = None,
    ) -> None:
        super().put(source, target, timeout_s=timeout_s, offset_bytes=offset_bytes, progress=progress)
        if not target.endswith(".pyz.part") and "/cas/" in target:
            self.offsets.append(offset_bytes)
            if self._spoil and self._spoil.pop(0):
                with Path(target).open("r+b") as file:
                    file.write(b"spoilt")


def _blob(path: Path) -> Blob:
    return Blob(hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_size, path.name)


def _client(transport: Local, tmp_path: Path) -> AgentClient:
    packed = pack.build(tmp_path / "packed")
    root = str(tmp_path / "root")
    return install(transport, find_python(transport, [sys.executable]), packed, root)


@pytest.fixture
def files(tmp_path: Path) -> list[tuple[Blob, Path]]:
    """Three files, one of them empty."""
    made = []
    for name, size in (("a.onnx", 2_500_000), ("b.bin", 10), ("empty", 0)):
        path = tmp_path / name
        path.write_bytes(os.urandom(size))
        made.append((_blob(path), path))
    return made


def test_files_arrive_and_are_sent_once(tmp_path: Path, files: list[tuple[Blob, Path]]) -> None:
    transport = Counting()
    steps: list[int] = []
    client = _client(transport, tmp_path)
    total = sum(blob.size_bytes for blob, _ in files)
    # The same file asked for twice is one file.
    first = ship(client, transport, [*files, files[0]], timeout_s=120, progress=steps.append)
    assert first == Shipped(total, 3, 0)
    assert sum(steps) == total
    for blob, path in files:
        assert (tmp_path / "root" / "cas" / blob.sha256).read_bytes() == path.read_bytes()
    assert ship(client, transport, files, timeout_s=120) == Shipped(0, 0, 3)
    assert len(transport.offsets) == 3


@pytest.mark.parametrize("there", [1, 1_000_000, 2_500_000])
def test_a_part_goes_on_where_it_stopped(tmp_path: Path, files: list[tuple[Blob, Path]], there: int) -> None:
    transport = Counting()
    client = _client(transport, tmp_path)
    blob, path = files[0]
    cas = tmp_path / "root" / "cas"
    cas.mkdir(parents=True, exist_ok=True)
    (cas / f"{blob.sha256}.part").write_bytes(path.read_bytes()[:there])
    shipped = ship(client, transport, [files[0]], timeout_s=120)
    assert shipped.sent_bytes == blob.size_bytes - there
    assert (cas / blob.sha256).read_bytes() == path.read_bytes()


@pytest.mark.parametrize("rest", [b"x" * 1000, b"x" * 2_500_000, b"x" * 3_000_000])
def test_a_part_of_something_else_is_sent_anew(
    tmp_path: Path, files: list[tuple[Blob, Path]], rest: bytes
) -> None:
    transport = Counting()
    client = _client(transport, tmp_path)
    blob, path = files[0]
    cas = tmp_path / "root" / "cas"
    cas.mkdir(parents=True, exist_ok=True)
    (cas / f"{blob.sha256}.part").write_bytes(rest)
    ship(client, transport, [files[0]], timeout_s=120)
    assert (cas / blob.sha256).read_bytes() == path.read_bytes()
    assert transport.offsets[-1] == 0


def test_a_file_spoilt_once_is_sent_again_and_twice_is_an_error(
    tmp_path: Path, files: list[tuple[Blob, Path]]
) -> None:
    transport = Counting(spoil=[True, False])
    client = _client(transport, tmp_path)
    ship(client, transport, [files[0]], timeout_s=120)
    assert transport.offsets == [0, 0]
    transport = Counting(spoil=[True, True])
    with pytest.raises(InfrastructureError) as caught:
        ship(client, transport, [files[1]], timeout_s=120)
    assert caught.value.code == "link.corrupt"
    assert not (tmp_path / "root" / "cas" / files[1][0].sha256).exists()


def test_a_file_that_changed_here_is_never_sent(tmp_path: Path, files: list[tuple[Blob, Path]]) -> None:
    transport = Counting()
    client = _client(transport, tmp_path)
    blob, path = files[1]
    path.write_bytes(b"0123456789")
    with pytest.raises(InfrastructureError) as caught:
        ship(client, transport, [(blob, path)], timeout_s=120)
    assert caught.value.code == "cache.changed"
    assert transport.offsets == []


def test_a_large_file_that_changed_here_is_never_committed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[tuple[Blob, Path]]
) -> None:
    """It is read while it is sent; the device never gets it under its name."""
    monkeypatch.setattr(shipping, "_LARGE_BYTES", 1000)
    client = _client(Counting(), tmp_path)
    blob, path = files[0]
    path.write_bytes(os.urandom(blob.size_bytes))
    for _ in range(2):
        with pytest.raises(InfrastructureError) as caught:
            ship(client, Counting(), [(blob, path)], timeout_s=120)
        assert caught.value.code == "cache.changed"
    assert not (tmp_path / "root" / "cas" / blob.sha256).exists()


def test_a_file_is_read_once_for_all_devices_and_again_once_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[tuple[Blob, Path]]
) -> None:
    read: list[Path] = []
    verify = shipping._verify

    def counted(blob: Blob, path: Path) -> None:
        read.append(path)
        verify(blob, path)

    monkeypatch.setattr(shipping, "_verify", counted)
    for number in range(3):
        ship(_client(Counting(), tmp_path / str(number)), Counting(), files, timeout_s=120)
    assert read == [path for _, path in files]
    blob, path = files[1]
    path.write_bytes(b"0123456789")
    with pytest.raises(InfrastructureError):
        ship(_client(Counting(), tmp_path / "last"), Counting(), [(blob, path)], timeout_s=120)


def test_nothing_asks_nothing(tmp_path: Path) -> None:
    transport = Counting()
    assert ship(_client(transport, tmp_path), transport, [], timeout_s=1) == Shipped()


def test_two_coordinators_that_send_the_same_file_do_not_meet(
    tmp_path: Path, files: list[tuple[Blob, Path]]
) -> None:
    """One is in the middle of its upload when the other sends and commits; then the first goes on."""
    transport = Counting()
    packed = pack.build(tmp_path / "agents")
    root = str(tmp_path / "root")
    python = find_python(transport, [sys.executable])
    one = install(transport, python, packed, root, sender="aaaa")
    two = install(transport, python, packed, root, sender="bbbb")
    blob, path = files[0]
    half = blob.size_bytes // 2
    assert not one.stock([blob.sha256])[0].complete
    Path(one.part_path(blob.sha256)).write_bytes(path.read_bytes()[:half])

    assert two.part_path(blob.sha256) != one.part_path(blob.sha256)
    assert ship(two, transport, [(blob, path)], timeout_s=60).sent_bytes == blob.size_bytes
    transport.put(path, one.part_path(blob.sha256), timeout_s=60, offset_bytes=half)
    one.commit(blob)

    assert (tmp_path / "root" / "cas" / blob.sha256).read_bytes() == path.read_bytes()
    assert not list((tmp_path / "root" / "cas").glob("*.part"))
