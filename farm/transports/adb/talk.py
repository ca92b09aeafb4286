"""A conversation with one command on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from farm.conversation import converse
from farm.devices import faults
from farm.transports.adb.shell import STDOUT, Packets

if TYPE_CHECKING:
    from farm.transports.adb.server import Wire


def talk(wire: Wire, device: str, count: int, deadline: float) -> Iterator[tuple[int, bytes, int]]:
    """See ``converse``. Raises also InfrastructureError adb.garbled."""
    packets = Packets(device)
    status: list[int] = []

    def receive(left_s: float) -> bytes | None:
        if status:
            return None
        wire.conn.settimeout(left_s)
        try:
            data = wire.conn.recv(4096)
        except TimeoutError as error:
            raise faults.late(device, ["clock"], left_s) from error
        except OSError as error:
            raise faults.lost(device, error.strerror or error) from error
        said = bytearray()
        code = packets.feed(data, lambda kind, body: said.extend(body if kind == STDOUT else b""))
        status.extend([] if code is None else [code])
        return bytes(said) if data else None

    return converse(lambda: wire.conn.sendall(packets.input(b"\n")), receive, device, count, deadline)
