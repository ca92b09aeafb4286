"""Serve an application on an address until a signal ends it: requests in work are answered first."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm_agent.errors import InfrastructureError, UsageError

if TYPE_CHECKING:
    from starlette.applications import Starlette

ENDING_S = 10
AT_ONCE = 200
KEEP_ALIVE_S = 15
HEAD_LIMIT = 64 * 1024
UNREADABLE = (
    f"error[serve.too-large]: not HTTP, or an address and headers of more than {HEAD_LIMIT // 1024} KiB\n"
    "  fix: ask for less in the address\n"
)


@dataclass(frozen=True)
class Bound:
    """A socket that listens. ``host``: as asked for; ``port``: the one it got."""

    listener: socket.socket
    host: str
    port: int

    @property
    def url(self) -> str:
        """Where a browser finds it."""
        host = socket.gethostname() if self.host in ("0.0.0.0", "::") else self.host  # noqa: S104
        host = f"[{host}]" if ":" in host else host
        return f"http://{host}:{self.port}/"


def is_loopback(host: str) -> bool:
    """Whether only this machine reaches a server on this address."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def bind(host: str, port: int) -> Bound:
    """Take the port before anything is announced.

    Raises InfrastructureError serve.port-in-use; UsageError serve.address.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (OSError, UnicodeError) as error:
        raise _bad_address(host, port, str(getattr(error, "strerror", "") or error)) from error
    listener = socket.socket(found[0], socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(found[4])
        listener.listen(128)
    except OSError as error:
        listener.close()
        if error.errno == 98:  # EADDRINUSE
            raise InfrastructureError(
                f"port {port} of {host} is in use",
                code="serve.port-in-use",
                fix="end the other server, or take another port: farm serve --port 0 takes a free one",
            ) from error
        raise _bad_address(host, port, error.strerror or str(error)) from error
    listener.set_inheritable(False)
    return Bound(listener, host, int(listener.getsockname()[1]))


def serve(app: Starlette, bound: Bound, *, started: Callable[[], None] = lambda: None) -> None:
    """Answer until SIGINT or SIGTERM; ``started`` is called once it answers."""
    import uvicorn
    from uvicorn.protocols.http.h11_impl import H11Protocol

    class Protocol(H11Protocol):
        """Says what is wrong with what cannot be read at all."""

        def send_400_response(self, msg: str) -> None:
            """``msg``: h11 tells no more than that it is invalid."""
            super().send_400_response(f"{msg}\n{UNREADABLE}")

    class Server(uvicorn.Server):
        """Tells when it answers, writes nothing by itself, and takes a signal as the way to end well."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            """As uvicorn does, but the signal is not raised once more when everything has ended."""
            if threading.current_thread() is not threading.main_thread():
                yield
                return
            ends = (signal.SIGINT, signal.SIGTERM)
            before = [signal.signal(each, self.handle_exit) for each in ends]
            try:
                yield
            finally:
                for each, handler in zip(ends, before, strict=True):
                    signal.signal(each, handler)

        async def startup(self, *args: Any, **extra: Any) -> None:  # noqa: ANN401 - uvicorn's
            """As uvicorn does."""
            await super().startup(*args, **extra)
            started()

    settings = uvicorn.Config(
        app,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="off",
        limit_concurrency=AT_ONCE,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=ENDING_S,
        http=Protocol,
        h11_max_incomplete_event_size=HEAD_LIMIT,
        ws="none",
    )
    Server(settings).run(sockets=[bound.listener])


def _bad_address(host: str, port: int, why: str) -> UsageError:
    return UsageError(
        f"nothing can listen on {host} port {port}: {why}",
        code="serve.address",
        fix="use an address of this machine: 127.0.0.1 for itself, 0.0.0.0 for its network",
    )
