"""One command over SSH: fed, read and bounded within a deadline."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any

from farm.devices import faults

if TYPE_CHECKING:
    import paramiko

_STEP_BYTES = 128 * 1024
_FEED_POLL_S = 0.02  # a window that opens again wakes nobody; while feeding, look often


class Exchange:
    """A command whose channel is open. ``what`` names it in errors."""

    def __init__(self, channel: paramiko.Channel, device: str, what: str, timeout_s: float) -> None:
        self._channel = channel
        self._device = device
        self._what = what
        self._timeout_s = timeout_s
        self._deadline = time.monotonic() + timeout_s

    def finish(
        self, stdin: Iterable[bytes], limit_bytes: int, sent: Callable[[int], None] | None = None
    ) -> tuple[int, bytes, bytes]:
        """Exit status (negative: killed by a signal), stdout, stderr.

        Raises InfrastructureError link.timeout (the command is killed), device.output-too-large,
        link.lost.
        """
        channel = self._channel
        output: tuple[bytearray, bytearray] = (bytearray(), bytearray())
        feeding: Iterator[bytes] | None = iter(stdin)
        waiting = memoryview(b"")
        # Not channel.fileno(): its pipe, closed here while data arrive, would end paramiko's thread.
        arrived = threading.Event()
        channel.in_buffer.set_event(arrived)
        channel.in_stderr_buffer.set_event(arrived)
        try:
            while True:
                moved = self._read(output, limit_bytes)
                if feeding is not None:
                    waiting, more, count = self._feed(feeding, waiting)
                    feeding = feeding if more else None
                    moved = moved or count > 0
                    if sent and count:
                        sent(count)
                if not moved and self._ended():
                    return channel.exit_status, bytes(output[0]), bytes(output[1])
                left = self._deadline - time.monotonic()
                if left <= 0:
                    kill(channel)
                    raise faults.late(self._device, [self._what], self._timeout_s)
                if not moved:
                    # After the end of output the event stays set: what is left is the exit status.
                    signal = channel.status_event if channel.eof_received else arrived
                    signal.wait(min(left, 1.0 if feeding is None else _FEED_POLL_S))
        except KeyboardInterrupt:
            kill(channel)
            raise
        finally:
            channel.close()

    def _read(self, output: tuple[bytearray, bytearray], limit_bytes: int) -> bool:
        moved = False
        if self._channel.recv_ready():
            output[0].extend(self._channel.recv(_STEP_BYTES))
            moved = True
        if self._channel.recv_stderr_ready():
            output[1].extend(self._channel.recv_stderr(_STEP_BYTES))
            moved = True
        if len(output[0]) + len(output[1]) > limit_bytes:
            kill(self._channel)
            raise faults.too_large(self._device, f"the output of {self._what}", limit_bytes)
        return moved

    def _feed(self, feeding: Iterator[bytes], waiting: memoryview) -> tuple[memoryview, bool, int]:
        """Send what the window takes: (what is left of the step, whether there is more, bytes sent)."""
        if not waiting:
            waiting = memoryview(next(feeding, b""))
            if not waiting:
                self._channel.shutdown_write()
                return waiting, False, 0
        if self._channel.closed or self._channel.exit_status_ready():
            return memoryview(b""), False, 0  # it ended without reading all: its exit status tells the rest
        if not self._channel.send_ready():
            return waiting, True, 0
        count = self._channel.send(bytes(waiting[:_STEP_BYTES]))
        return waiting[count:], True, count

    def _ended(self) -> bool:
        channel = self._channel
        if not channel.exit_status_ready() or not (channel.eof_received or channel.closed):
            return False
        if channel.recv_ready() or channel.recv_stderr_ready():
            return False
        transport = channel.get_transport()
        if channel.exit_status == -1 and not transport.is_active():
            raise faults.lost(self._device, transport.get_exception() or "the connection ended")
        return True


def kill(channel: paramiko.Channel) -> None:
    """Ask the server to kill the command: closing a channel alone leaves it running.

    OpenSSH does so since 7.9, unless it runs without privileges; others may not.
    """
    import paramiko
    from paramiko.common import cMSG_CHANNEL_REQUEST

    message = paramiko.Message()
    message.add_byte(cMSG_CHANNEL_REQUEST)
    message.add_int(channel.remote_chanid)
    message.add_string("signal")
    message.add_boolean(False)  # noqa: FBT003 - no reply wanted
    message.add_string("KILL")
    transport: Any = channel.get_transport()
    if not channel.closed and transport.is_active():
        transport._send_user_message(message)  # noqa: SLF001 - paramiko offers no call for signals
