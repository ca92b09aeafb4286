"""A conversation with one command over SSH."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from farm.conversation import converse

if TYPE_CHECKING:
    import paramiko


def talk(
    channel: paramiko.Channel, device: str, count: int, deadline: float
) -> Iterator[tuple[int, bytes, int]]:
    """See ``converse``; paramiko's own errors pass."""

    def receive(left_s: float) -> bytes | None:
        channel.settimeout(left_s)
        return channel.recv(4096) or None

    return converse(lambda: channel.sendall(b"\n"), receive, device, count, deadline)
