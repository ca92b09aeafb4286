"""Notice a peer that went silent: a cut link, a frozen server or a board without power tells nobody.

A link is alive while bytes arrive, or while the peer's kernel takes what waits to be sent: so a slow link
with a big upload lives, and a server that is frozen does not, although its kernel goes on acknowledging.
"""

from __future__ import annotations

import contextlib
import fcntl
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import paramiko

QUIET_S = 4.0
"""So long nothing may arrive before the peer is asked for an answer."""
SILENCE_S = 12.0
"""So long nothing may move before the peer counts as dead."""
TICK_S = 1.0

_SIOCOUTQ = 0x5411  # bytes that the peer has not acknowledged
_TCP_INFO_BYTES = 136
_BYTES_ACKED_AT = 120


class Heard:
    """A socket that remembers when something last arrived; everything else is the socket's own."""

    def __init__(self, sock: Any) -> None:  # noqa: ANN401 - socket, channel or process
        self._sock = sock
        self.arrivals = 0

    def recv(self, count: int) -> bytes:
        """The socket's ``recv``."""
        data: bytes = self._sock.recv(count)
        if data:
            self.arrivals += 1
        return data

    def tcp(self) -> socket.socket | None:
        """The TCP socket under it, through every jump host; None under a command."""
        sock = self._sock
        while sock is not None and not isinstance(sock, socket.socket):
            get_transport = getattr(sock, "get_transport", None)
            sock = getattr(get_transport(), "sock", None) if get_transport else getattr(sock, "_sock", None)
        return sock

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        return getattr(self._sock, name)


class Flow:
    """What leaves over one connection."""

    def __init__(self, sock: object) -> None:
        self._tcp = sock.tcp() if isinstance(sock, Heard) else None
        self._taken = 0

    def moved(self) -> bool:
        """Whether the peer took some of what waits since this was last asked; False where nothing waits."""
        waiting, taken = _outgoing(self._tcp)
        moved = waiting > 0 and taken > self._taken
        self._taken = taken
        return moved


class Pulse:
    """Watches one connection and closes it when the peer is dead, which wakes whatever waits on it.

    ``dead_s``: 0.0, or after how many seconds of silence it was closed. A process that was suspended itself
    counts only the moments in which it ran: what arrived meanwhile is read first.
    """

    def __init__(
        self, transport: paramiko.Transport, *, quiet_s: float = QUIET_S, silence_s: float = SILENCE_S
    ) -> None:
        self.dead_s = 0.0
        self._transport = transport
        self._quiet_s = quiet_s
        self._silence_s = silence_s
        self._closed = threading.Event()

    def start(self) -> None:
        """Begin to watch; ends with the connection."""
        threading.Thread(target=self._watch, daemon=True, name="ssh-pulse").start()

    def stop(self) -> None:
        """The connection is no longer wanted."""
        self._closed.set()

    def _watch(self) -> None:
        tick_s = min(TICK_S, self._quiet_s / 2)
        heard = self._transport.sock
        tcp = heard.tcp() if isinstance(heard, Heard) else None
        silent_s, asked = 0.0, False
        arrivals, acknowledged = -1, 0
        last = time.monotonic()
        while not self._closed.wait(tick_s) and self._transport.is_active():
            now = time.monotonic()
            silent_s += min(now - last, 2 * tick_s)
            last = now
            waiting, taken = _outgoing(tcp)
            arrived = getattr(heard, "arrivals", 0)
            if arrived != arrivals or (waiting and taken > acknowledged):
                silent_s, asked = 0.0, False
            arrivals, acknowledged = arrived, taken
            if silent_s >= self._silence_s:
                self.dead_s = silent_s
                self._transport.close()
            elif silent_s >= self._quiet_s and not asked and not waiting:
                asked = True
                # Sending may block on a full link, and must not block this thread.
                threading.Thread(target=self._ask, daemon=True, name="ssh-ask").start()

    def _ask(self) -> None:
        """A request that every server must answer, if only by refusing it (RFC 4254, 4)."""
        import paramiko
        from paramiko.common import cMSG_GLOBAL_REQUEST

        message = paramiko.Message()
        message.add_byte(cMSG_GLOBAL_REQUEST)
        message.add_string("keepalive@openssh.com")
        message.add_boolean(True)  # noqa: FBT003 - a reply is what it is for
        transport: Any = self._transport
        with contextlib.suppress(paramiko.SSHException, EOFError, OSError):
            transport._send_user_message(message)  # noqa: SLF001 - paramiko's own asks for no reply


def _outgoing(tcp: socket.socket | None) -> tuple[int, int]:
    """(bytes that wait for the peer's acknowledgement, bytes acknowledged so far); zeros when unknown."""
    if tcp is None:
        return 0, 0
    try:
        waiting = struct.unpack("i", fcntl.ioctl(tcp.fileno(), _SIOCOUTQ, b"\0" * 4))[0]
        info = tcp.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _TCP_INFO_BYTES)
        return waiting, struct.unpack_from("Q", info, _BYTES_ACKED_AT)[0]
    except (OSError, ValueError, struct.error):
        return 0, 0
