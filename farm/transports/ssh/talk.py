"""A conversation with one command over SSH: a line there, a line back, each timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from farm.devices import faults

if TYPE_CHECKING:
    import paramiko

LINE_BYTES = 64 * 1024


def talk(
    channel: paramiko.Channel, device: str, count: int, deadline: float
) -> Iterator[tuple[int, bytes, int]]:
    """(asked, line, answered) ``count`` times, after the command's own first line; times are ours in ns.

    Only lines that begin like JSON count: a login shell may greet. Raises InfrastructureError link.lost,
    link.timeout, device.output-too-large; paramiko's own errors pass.
    """
    waiting = bytearray()

    def line() -> bytes:
        while True:
            while b"\n" not in waiting:
                if len(waiting) > LINE_BYTES:
                    raise faults.too_large(device, "an answer", LINE_BYTES)
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise faults.late(device, ["clock"], 0.0)
                channel.settimeout(left_s)
                data = channel.recv(4096)
                if not data:
                    raise faults.lost(device, "the command ended in the middle of a conversation")
                waiting.extend(data)
            found, _, rest = bytes(waiting).partition(b"\n")
            waiting[:] = rest
            if found.startswith(b"{"):
                return found

    line()
    for _ in range(count):
        asked_ns = time.monotonic_ns()
        channel.sendall(b"\n")
        answer = line()
        yield asked_ns, answer, time.monotonic_ns()
