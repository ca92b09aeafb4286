"""A conversation with one command on a phone: a line there, a line back, each timed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING

from farm.devices import faults
from farm.transports.adb.shell import STDOUT, Packets

if TYPE_CHECKING:
    from farm.transports.adb.server import Wire

LINE_BYTES = 64 * 1024


def talk(wire: Wire, device: str, count: int, deadline: float) -> Iterator[tuple[int, bytes, int]]:
    """(asked, line, answered) ``count`` times, after the command's own first line; times are ours in ns.

    Raises InfrastructureError link.lost, link.timeout, device.output-too-large, adb.garbled.
    """
    packets = Packets(device)
    waiting = bytearray()

    def line() -> bytes:
        while True:
            while b"\n" not in waiting:
                if len(waiting) > LINE_BYTES:
                    raise faults.too_large(device, "an answer", LINE_BYTES)
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    raise faults.late(device, ["clock"], 0.0)
                wire.conn.settimeout(left_s)
                try:
                    data = wire.conn.recv(4096)
                except TimeoutError as error:
                    raise faults.late(device, ["clock"], left_s) from error
                except OSError as error:
                    raise faults.lost(device, error.strerror or error) from error
                status = packets.feed(
                    data, lambda kind, body: waiting.extend(body if kind == STDOUT else b"")
                )
                if not data or (status is not None and b"\n" not in waiting):
                    raise faults.lost(device, "the command ended in the middle of a conversation")
            found, _, rest = bytes(waiting).partition(b"\n")
            waiting[:] = rest
            if found.startswith(b"{"):
                return found

    line()
    for _ in range(count):
        asked_ns = time.monotonic_ns()
        wire.conn.sendall(packets.input(b"\n"))
        answer = line()
        yield asked_ns, answer, time.monotonic_ns()
