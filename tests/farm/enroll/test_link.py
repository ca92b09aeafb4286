"""The transport over an open login writes as every other one does."""

from __future__ import annotations

from pathlib import Path

import pytest

from farm.devices.device import Device
from farm.enroll.link import Link
from farm.errors import InfrastructureError


@pytest.fixture
def link() -> Link:
    """A link whose ssh is a shell of this machine."""
    made = Link(Device("box", "x86-cpu", "ssh://pi@192.0.2.7"), [])
    made._argv = ["sh", "-c"]
    return made


def test_a_rest_is_written_where_it_belongs(link: Link, tmp_path: Path) -> None:
    """What lay behind the offset is gone, what lay before it stays."""
    source, target = tmp_path / "source", tmp_path / "it's here"
    source.write_bytes(b"0123456789")
    target.write_bytes(b"0123xxxxxxxxxxxx")
    steps: list[int] = []
    link.put(source, str(target), timeout_s=30, offset_bytes=4, progress=steps.append)
    assert target.read_bytes() == b"0123456789"
    assert steps == [6]
    link.put(source, str(target), timeout_s=30)
    assert target.read_bytes() == b"0123456789"


def test_what_cannot_be_written_is_told(link: Link, tmp_path: Path) -> None:
    """At the start and in the middle."""
    source = tmp_path / "source"
    source.write_bytes(b"0123456789")
    for offset in (0, 4):
        with pytest.raises(InfrastructureError) as caught:
            link.put(source, str(tmp_path / "no" / "folder"), timeout_s=30, offset_bytes=offset)
        assert caught.value.code == "device.not-writable"
    with pytest.raises(InfrastructureError) as caught:
        link.put(source, "/dev/full", timeout_s=30, offset_bytes=0)
    assert caught.value.code == "device.disk-full"
