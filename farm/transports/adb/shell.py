"""One command in the phone's shell: adb's shell protocol, second version, within a deadline."""

from __future__ import annotations

import selectors
import struct
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from farm.devices import faults
from farm.errors import InfrastructureError

if TYPE_CHECKING:
    from farm.transports.adb.server import Wire

# The command's number, to kill it by. It starts only on our word, and we give it only on an open stream: an
# opening that came too late starts nothing.
PROLOGUE = "echo $$; read -r go && "
STDIN, STDOUT, STDERR, EXIT, CLOSE_STDIN = range(5)
_HEADER = struct.Struct("<BI")
_STEP_BYTES = 32 * 1024  # what old phones take in one packet
_READ_BYTES = 256 * 1024
_LONGEST_PACKET_BYTES = 16 * 1024 * 1024
_LONGEST_PID = 10


class Exchange:
    """A command whose service is open. ``quiet`` is called whenever nothing moved for ``quiet_s``."""

    def __init__(
        self, wire: Wire, device: str, what: str, timeout_s: float, quiet: Callable[[], None], quiet_s: float
    ) -> None:
        self._wire = wire
        self._device = device
        self._what = what
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s
        self._quiet = quiet
        self._quiet_s = quiet_s
        self._packets = Packets(device)
        self._first = bytearray()
        self._pid: int | None = None

    def await_pid(self, timeout_s: float) -> int | None:
        """The number of a command that was given up; None where the phone does not tell it in time."""
        sock = self._wire.conn
        deadline = time.monotonic() + timeout_s
        try:
            while self._pid is None and (left_s := deadline - time.monotonic()) > 0:
                sock.settimeout(left_s)
                if self._read(lambda _kind, _data: None) is not None:
                    return None
        except (InfrastructureError, OSError):
            return self._pid
        return self._pid

    def finish(
        self,
        stdin: Iterable[bytes],
        take: Callable[[int, bytes], None],
        sent: Callable[[int], None] | None = None,
    ) -> int:
        """Feed the command and hand over what it prints (``take(STDOUT or STDERR, data)``); its exit status.

        Raises InfrastructureError link.timeout, link.lost, adb.garbled. The service began with ``PROLOGUE``.
        """
        sock = self._wire.conn
        sock.settimeout(0)
        feeding: Iterator[tuple[bytes, int]] | None = _packets(stdin)
        waiting, size = memoryview(b""), 0
        moved_at = time.monotonic()
        with selectors.DefaultSelector() as selector:
            selector.register(sock, selectors.EVENT_READ)
            while True:
                if feeding is not None and not waiting:
                    data, size = next(feeding, (b"", 0))
                    waiting, feeding = memoryview(data), feeding if data else None
                wanted = selectors.EVENT_READ | (selectors.EVENT_WRITE if waiting else 0)
                selector.modify(sock, wanted)
                now = time.monotonic()
                left_s = self._deadline - now
                if left_s <= 0:
                    raise faults.late(self._device, [self._what], self._timeout_s)
                events = selector.select(min(left_s, self._quiet_s))
                if not events:
                    if time.monotonic() - moved_at >= self._quiet_s:
                        self._quiet()
                        moved_at = time.monotonic()
                    continue
                moved_at = time.monotonic()
                if events[0][1] & selectors.EVENT_READ:
                    status = self._read(take)
                    if status is not None:
                        return status
                if waiting and events[0][1] & selectors.EVENT_WRITE:
                    waiting = self._write(waiting)
                    if not waiting and sent and size:
                        sent(size)

    def _write(self, waiting: memoryview) -> memoryview:
        try:
            return waiting[self._wire.conn.send(waiting) :]
        except BlockingIOError:
            return waiting
        except OSError:
            return memoryview(b"")  # it ended without reading all: what it said tells the rest

    def _read(self, take: Callable[[int, bytes], None]) -> int | None:
        try:
            data = self._wire.conn.recv(_READ_BYTES)
        except BlockingIOError:
            return None
        except OSError as error:
            raise faults.lost(self._device, error.strerror or error) from error
        if not data:
            raise faults.lost(self._device, "the phone's connection ended")
        return self._packets.feed(data, lambda kind, body: self._taken(kind, body, take))

    def _taken(self, kind: int, body: bytes, take: Callable[[int, bytes], None]) -> None:
        """All but the first line of the output, which is the command's number."""
        if kind != STDOUT or self._pid is not None:
            take(kind, body)
            return
        self._first += body
        line, end, rest = bytes(self._first).partition(b"\n")
        if len(line) > _LONGEST_PID or not line.isdigit():
            raise self._packets.garbled("a command without a number")
        if end:
            self._pid = int(line)
            if rest:
                take(kind, rest)


class Packets:
    """What arrives, put together again."""

    def __init__(self, device: str) -> None:
        self._device = device
        self._arrived = bytearray()

    def feed(self, data: bytes, take: Callable[[int, bytes], None]) -> int | None:
        """Hand over each whole packet of output; the exit status once it came. Raises adb.garbled."""
        self._arrived += data
        begin, status = 0, None
        while status is None and len(self._arrived) - begin >= _HEADER.size:
            kind, size = _HEADER.unpack_from(self._arrived, begin)
            if kind > EXIT or size > _LONGEST_PACKET_BYTES:
                raise self.garbled(f"packet of kind {kind} with {size} bytes")
            end = begin + _HEADER.size + size
            if len(self._arrived) < end:
                break
            body = bytes(self._arrived[begin + _HEADER.size : end])
            begin = end
            if kind == EXIT:
                if size != 1:
                    raise self.garbled(f"an exit status of {size} bytes")
                status = body[0]
            elif kind in (STDOUT, STDERR):
                take(kind, body)
        del self._arrived[:begin]
        return status

    @staticmethod
    def input(data: bytes) -> bytes:
        """A packet for the command."""
        return _HEADER.pack(STDIN, len(data)) + data

    def garbled(self, why: str) -> InfrastructureError:
        """What is wrong with it, as an error."""
        return InfrastructureError(
            f"device {self._device}: what it answers is not adb's shell protocol: {why}",
            code="adb.garbled",
            fix=f"check what answers there: farm doctor {self._device}",
        )


def _packets(stdin: Iterable[bytes]) -> Iterator[tuple[bytes, int]]:
    """Each step as a packet with the number of its own bytes; at last the end of the input."""
    yield Packets.input(b"\n"), 0  # what PROLOGUE waits for
    for data in stdin:
        for begin in range(0, len(data), _STEP_BYTES):
            part = data[begin : begin + _STEP_BYTES]
            yield Packets.input(part), len(part)
    yield _HEADER.pack(CLOSE_STDIN, 0), 0
