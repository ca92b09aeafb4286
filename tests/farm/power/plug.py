"""An HTTP server on loopback that answers as a plug does."""

from __future__ import annotations

import contextlib
import http.server
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

# measurement documents of Shelly (Gen2 API) and Tasmota (issue trackers of both projects).
SHELLY = (
    '{"id":0, "source":"MQTT", "output":false, "apower":%s, "voltage":237.0, "freq":50.0, "current":0.000, '
    '"pf":0.00, "aenergy":{"total":62758.285,"by_minute":[0.000,0.000,0.000],"minute_ts":1709223337},'
    '"temperature":{"tC":35.5, "tF":96.0}}'
)
TASMOTA = (
    '{"StatusSNS":{"Time":"2020-06-29T22:22:24","ENERGY":{"TotalStartTime":"2020-06-24T09:25:29",'
    '"Total":41.573,"Yesterday":6.147,"Today":8.286,"Power":%s,"ApparentPower":22,"ReactivePower":21,'
    '"Factor":0.08,"Voltage":230,"Current":0.094}}}'
)


@dataclass(frozen=True)
class Answer:
    """What a request gets. ``body`` None: nothing at all, the connection just stays open."""

    body: bytes | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Plug:
    """``answer`` gets the path and the headers of each request; ``seen`` keeps them."""

    answer: Callable[[str, Mapping[str, str]], Answer]
    port: int = 0
    seen: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


def says(text: str) -> Callable[[str, Mapping[str, str]], Answer]:
    """The same text for every request."""
    return lambda _path, _headers: Answer(text.encode())


@contextlib.contextmanager
def serving(answer: Callable[[str, Mapping[str, str]], Answer]) -> Iterator[Plug]:
    """A plug until the end of the block."""
    plug = Plug(answer)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            plug.seen.append((self.path, dict(self.headers)))
            found = plug.answer(self.path, dict(self.headers))
            if found.body is None:
                plug.release.wait(30)
                return
            self.send_response(found.status)
            for name, value in found.headers.items():
                self.send_header(name, value)
            self.end_headers()
            with contextlib.suppress(OSError):
                self.wfile.write(found.body)

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002
            del format, arguments

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    plug.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield plug
    finally:
        plug.release.set()
        server.shutdown()
        server.server_close()
        thread.join()
