"""Stand-ins for states that no real part can be brought into: an adb daemon that lets nobody in, and an adb
server that says whatever the test wants."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping

_CNXN, _AUTH = 0x4E584E43, 0x48545541
_HEADER = struct.Struct("<6I")
_TOKEN = 1


class _Listening:
    """Answers each connection in a thread of its own until closed."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._open.append(connection)
            threading.Thread(target=self._safely, args=(connection,), daemon=True).start()

    def _safely(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, struct.error, ValueError):
            self.answer(connection)
        connection.close()

    def answer(self, connection: socket.socket) -> None:
        """Of the kind."""
        raise NotImplementedError

    def close(self) -> None:
        """End it with every connection."""
        for each in (self._listener, *self._open):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()


class Daemon(_Listening):
    """A phone that is ``unauthorized`` (asks for a key and likes none) or ``silent``."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        super().__init__()

    @property
    def serial(self) -> str:
        """As an adb server calls it."""
        return f"127.0.0.1:{self.port}"

    def answer(self, connection: socket.socket) -> None:
        while True:
            command, _, _, size, _, _ = _HEADER.unpack(_exactly(connection, _HEADER.size))
            _exactly(connection, size)
            if self._kind == "unauthorized" and command in (_CNXN, _AUTH):
                token = b"0123456789abcdefghij"
                head = _HEADER.pack(_AUTH, _TOKEN, 0, len(token), sum(token), _AUTH ^ 0xFFFFFFFF)
                connection.sendall(head + token)


class Server(_Listening):
    """``answers``: by service, what follows its request; a function may talk on. Others are refused."""

    def __init__(self, answers: Mapping[str, bytes | Callable[[socket.socket], None]]) -> None:
        self._answers = {"host:version": okay("0029"), **answers}
        super().__init__()

    def answer(self, connection: socket.socket) -> None:
        while True:
            service = _exactly(connection, int(_exactly(connection, 4), 16)).decode()
            for name, said in self._answers.items():
                if not service.startswith(name):
                    continue
                if callable(said):
                    said(connection)
                    return
                connection.sendall(said)
                break
            else:
                connection.sendall(fail("unknown host service"))
                return
            if not service.startswith("host:transport"):
                return


def okay(text: str) -> bytes:
    """OKAY with a block."""
    return b"OKAY%04x" % len(text.encode()) + text.encode()


def fail(text: str) -> bytes:
    """FAIL with the reason."""
    return b"FAIL%04x" % len(text.encode()) + text.encode()


def _exactly(connection: socket.socket, count: int) -> bytes:
    data = b""
    while len(data) < count:
        step = connection.recv(count - len(data))
        if not step:
            raise ValueError("the peer is gone")
        data += step
    return data
