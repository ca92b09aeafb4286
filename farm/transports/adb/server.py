"""The adb server: found, or started where none answers; never stopped, for others use it, too."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from adbutils import AdbError, AdbTimeout
from adbutils._adb import AdbConnection

from farm.devices.address import Address
from farm.errors import FarmError, InfrastructureError

PORT = 5037
CONNECT_TIMEOUT_S = 5.0
START_TIMEOUT_S = 15.0
_POLL_S = 0.05
_LOCAL = ("", "127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Server:
    """Where an adb server listens."""

    host: str
    port: int

    def text(self) -> str:
        """HOST:PORT."""
        return f"{self.host}:{self.port}"


class Wire(AdbConnection):  # type: ignore[misc] # adbutils has no types
    """adbutils' connection to a server. Unlike adbutils it never starts one on its own, and it times out."""

    def __init__(self, server: Server, timeout_s: float) -> None:
        self._server = server
        self._timeout_s = timeout_s
        super().__init__(server.host, server.port)

    def _safe_connect(self) -> socket.socket:
        where = (self._server.host, self._server.port)
        made = socket.create_connection(where, timeout=min(self._timeout_s, CONNECT_TIMEOUT_S))
        made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        made.settimeout(self._timeout_s)
        return made

    def ask(self, service: str) -> None:
        """Say what is wanted. Raises AdbError with the server's refusal, OSError, EOFError, ValueError."""
        data = service.encode("utf-8", "surrogateescape")
        self.conn.sendall(b"%04x" % len(data) + data)
        self.check_okay()

    def block(self) -> str:
        """A text with its length before it. Raises AdbError, OSError, EOFError, ValueError."""
        size = int(self.read_exact(4), 16)
        return str(self.read_exact(size).decode("utf-8", "replace"))


def server_of(address: Address) -> Server:
    """The server that an address names, else the one that adb's own variables name, else this machine's."""
    if address.host:
        return Server(address.host, address.port or PORT)
    scheme, _, rest = os.environ.get("ADB_SERVER_SOCKET", "").partition(":")
    if scheme == "tcp" and rest:
        host, _, port = rest.rpartition(":")
        return Server(host or "127.0.0.1", _port(port))
    host = os.environ.get("ANDROID_ADB_SERVER_ADDRESS", "") or "127.0.0.1"
    return Server(host, _port(os.environ.get("ANDROID_ADB_SERVER_PORT", "")))


def query(server: Server, service: str, timeout_s: float) -> str:
    """The server's answer to a question about itself. Raises InfrastructureError device.unreachable,
    adb.refused, adb.garbled."""
    try:
        wire = Wire(server, timeout_s)
        try:
            wire.ask(service)
            return wire.block()
        finally:
            wire.close()
    except (TimeoutError, AdbTimeout) as error:
        raise silent(server, f"it did not answer within {timeout_s:g} s") from error
    except OSError as error:
        raise silent(server, error.strerror or error) from error
    except AdbError as error:
        raise refusal(server, error) from error
    except (EOFError, ValueError) as error:
        raise garbled(server, error) from error


def require(server: Server, deadline: float) -> None:
    """Have a server that answers, and start one on this machine where nothing listens.

    Raises InfrastructureError adb.no-program, device.unreachable, adb.garbled.
    """
    left_s = max(0.1, deadline - time.monotonic())
    try:
        with socket.create_connection((server.host, server.port), timeout=min(left_s, CONNECT_TIMEOUT_S)):
            pass
    except ConnectionRefusedError as error:
        if server.host not in _LOCAL:
            raise silent(server, "connection refused") from error
        _start(server, min(START_TIMEOUT_S, left_s))
    except OSError as error:
        raise silent(server, error.strerror or error) from error
    query(server, "host:version", min(max(0.1, deadline - time.monotonic()), CONNECT_TIMEOUT_S))


def program() -> str:
    """The adb program: on PATH, below ANDROID_HOME, else the one that adbutils may bring.

    Raises InfrastructureError adb.no-program.
    """
    found = shutil.which("adb")
    if found:
        return found
    for variable in ("ANDROID_HOME", "ANDROID_SDK_ROOT"):
        path = Path(os.environ.get(variable) or "/nonexistent") / "platform-tools" / "adb"
        if os.access(path, os.X_OK):
            return str(path)
    try:
        import adbutils

        return str(adbutils.adb_path())
    except (AdbError, OSError) as error:
        raise InfrastructureError(
            "no adb server runs here, and there is no adb program to start one",
            code="adb.no-program",
            fix="sudo apt install adb, or put Android's platform-tools on PATH",
        ) from error


def _start(server: Server, timeout_s: float) -> None:
    """Not ``adb start-server``: it would kill a server of another version that came meanwhile."""
    argv = [program(), "-P", str(server.port), "server", "nodaemon"]
    try:
        process = subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            cwd="/",
        )
    except OSError as error:
        raise InfrastructureError(
            f"{argv[0]} cannot be started: {error.strerror}",
            code="adb.no-program",
            fix="sudo apt install adb, or put Android's platform-tools on PATH",
        ) from error
    deadline = time.monotonic() + timeout_s
    while True:
        ended = process.poll()
        try:
            query(server, "host:version", CONNECT_TIMEOUT_S)
        except FarmError as error:
            if ended is None and time.monotonic() < deadline:
                time.sleep(_POLL_S)
                continue
            why = f"`{' '.join(argv)}` ended with {ended}" if ended is not None else error.message
            raise silent(server, why) from error
        return


def _port(text: str) -> int:
    return int(text) if text.isdigit() and 0 < int(text) < 65536 else PORT


def silent(server: Server, why: object) -> InfrastructureError:
    """No adb server there, or none that answers."""
    return InfrastructureError(
        f"the adb server at {server.text()} cannot be reached: {why}",
        code="device.unreachable",
        fix="start it: adb start-server; one on another machine: adb -a nodaemon server, and name it: "
        "adb:SERIAL@HOST",
    )


def refusal(server: Server, why: object) -> InfrastructureError:
    """The server said FAIL."""
    text = " ".join(str(why).split())[:300]
    if text.startswith("Unknown data"):
        return garbled(server, text)
    return InfrastructureError(
        f"the adb server at {server.text()} refused: {text}",
        code="adb.refused",
        fix="look at what it sees: adb devices -l",
    )


def garbled(server: Server, why: object) -> InfrastructureError:
    """What answers there does not speak adb."""
    return InfrastructureError(
        f"what answers at {server.text()} does not speak adb: {' '.join(str(why).split())[:200]}",
        code="adb.garbled",
        fix="check the port: adb's own is 5037; ss -ltnp shows who listens",
    )
