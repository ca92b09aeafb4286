"""A conversation with one command on a device: a line there, a line back, each timed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from farm.devices import faults

LINE_BYTES = 64 * 1024


def converse(
    send: Callable[[], object],
    receive: Callable[[float], bytes | None],
    device: str,
    count: int,
    deadline: float,
) -> Iterator[tuple[int, bytes, int]]:
    """(asked, line, answered) ``count`` times, after the command's own first line; times are ours in ns.

    ``send`` asks for a line; ``receive(seconds)`` gives what came within them, None when the command has
    ended. Only lines that begin like JSON count: a login shell may greet. Raises InfrastructureError
    link.lost, link.timeout, device.output-too-large and what ``send`` and ``receive`` raise.
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
                data = receive(left_s)
                if data is None:
                    raise faults.lost(device, "the command ended in the middle of a conversation")
                waiting.extend(data)
            found, _, rest = bytes(waiting).partition(b"\n")
            waiting[:] = rest
            if found.startswith(b"{"):
                return found

    line()
    for _ in range(count):
        asked_ns = time.monotonic_ns()
        send()
        answer = line()
        yield asked_ns, answer, time.monotonic_ns()
