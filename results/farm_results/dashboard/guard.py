"""What stands between the network and the pages: host, origin, session, size, and the headers of each answer.

Pure ASGI, so that no answer leaves without its headers, whoever made it.
"""

from __future__ import annotations

import ipaddress
import time
from collections.abc import Callable, Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit, urlunsplit

from farm_results.dashboard.access import BEARER, Access

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

BODY_LIMIT = 64 * 1024
SESSION = "farm.session"
OPEN_PATHS = ("/login", "/static/")
ANY_SESSION_PATHS = ("/login", "/logout")

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
HEADERS = {
    "content-security-policy": CONTENT_SECURITY_POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # no-referrer would make browsers send "Origin: null" with our own forms
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}
NEVER_STORED = ("cache-control", "no-store")


class Guard:
    """``hosts``: the names under which this server may be asked for; addresses always may, since a page of
    another site cannot make its name be one."""

    def __init__(
        self, app: ASGIApp, access: Access, hosts: Iterable[str], now: Callable[[], float] = time.time
    ) -> None:
        self.app = app
        self.access = access
        self.hosts = frozenset(host.lower().rstrip(".") for host in (*hosts, "localhost"))
        self.now = now

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer or refuse one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = _Headers(send, is_file=scope["path"].startswith("/static/"))
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        refused = self._refusal(scope, headers)
        if refused is not None:
            await refused(scope, receive, answer)
            return
        await self.app(scope, _Bounded(receive), answer)

    def _refusal(self, scope: Scope, headers: MutableMapping[str, str]) -> Any:  # noqa: ANN401 - a response
        from starlette.responses import RedirectResponse

        path, method, host = scope["path"], scope["method"], headers.get("host", "")
        if not self._known(host):
            fix = "open it by its address, or start it with --allow-host NAME"
            return _refused(421, "serve.host", "this server is not known by that name", fix)
        if method not in ("GET", "HEAD", "POST"):
            return _refused(405, "serve.method", "only GET, HEAD and POST", "")
        session = self._session(headers)
        scope[SESSION] = session
        if method == "POST":
            if not self._own(headers, host, session):
                return _refused(
                    403, "serve.origin", "this form is not of this server", "send it from its page"
                )
            if self.access.read_only and path not in ANY_SESSION_PATHS:
                return _refused(403, "serve.read-only", "this dashboard changes nothing", "")
        open_path = any(path == each or (each.endswith("/") and path.startswith(each)) for each in OPEN_PATHS)
        if session or open_path or (self.access.open_reading and method != "POST"):
            return None
        if path == "/metrics" or "authorization" in headers:
            fix = "send the header Authorization: Bearer TOKEN"
            return _refused(401, "serve.unauthorized", "this needs the token", fix)
        query = scope.get("query_string", b"").decode("latin-1")
        asked = path + (f"?{query}" if query else "")
        lost = ""
        if method == "POST":  # a page that was left open: back to it, since what was sent is gone
            asked, lost = _left(headers.get("referer", ""), host), "lost=1&"
        return RedirectResponse(f"/login?{lost}next={quote(asked[:1000], safe='')}", 303)

    def _known(self, host: str) -> bool:
        name = _host_name(host)
        if name in self.hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True

    def _session(self, headers: MutableMapping[str, str]) -> str:
        kind, _, token = headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer" and self.access.is_token(token.strip()):
            return BEARER
        try:
            cookies = SimpleCookie(headers.get("cookie", "")[:8192])
        except CookieError:
            return ""
        ours = cookies.get(self.access.cookie)
        return self.access.session(ours.value, self.now()) if ours else ""

    def _own(self, headers: MutableMapping[str, str], host: str, session: str) -> bool:
        """Whether a change was asked for by a page of ours, or by a program that has the token."""
        origin, site = headers.get("origin"), headers.get("sec-fetch-site")
        if site is not None and site != "same-origin":
            return False
        if origin is None:
            return session == BEARER
        return origin.lower() in (f"http://{host.lower()}", f"https://{host.lower()}")


def _left(referer: str, host: str) -> str:
    """The page of this server that a form was sent from; the first one where that is not known."""
    try:
        page = urlsplit(referer)
    except ValueError:
        return "/"
    own = page.netloc.lower() == host.lower() and page.path.startswith("/")
    return urlunsplit(("", "", page.path, page.query, "")) if own else "/"


def _refused(status: int, code: str, message: str, fix: str) -> Any:  # noqa: ANN401 - a response
    from starlette.responses import PlainTextResponse

    text = f"error[{code}]: {message}\n" + (f"  fix: {fix}\n" if fix else "")
    return PlainTextResponse(text, status, {"www-authenticate": "Bearer"} if status == 401 else None)


def _host_name(host: str) -> str:
    """``[::1]:8787`` -> ``::1``; ``farm.lan:80`` -> ``farm.lan``."""
    host = host.strip().lower()
    if host.startswith("["):
        name, end, _ = host[1:].partition("]")
        return name if end else ""
    return host.partition(":")[0].rstrip(".")


class _Headers:
    """Puts our headers on every answer."""

    def __init__(self, send: Send, *, is_file: bool) -> None:
        self.send = send
        self.is_file = is_file

    async def __call__(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            raw = list(message.get("headers", ()))
            raw += [(name.encode(), value.encode()) for name, value in HEADERS.items()]
            if not self.is_file:
                raw.append((NEVER_STORED[0].encode(), NEVER_STORED[1].encode()))
            message = {**message, "headers": raw}
        await self.send(message)


class TooLargeError(Exception):
    """A request's body is larger than any form of ours."""


class _Bounded:
    """A body that ends the request when it grows beyond what any form of ours needs."""

    def __init__(self, receive: Receive) -> None:
        self.receive = receive
        self.taken = 0

    async def __call__(self) -> Message:
        """The next message."""
        message = await self.receive()
        self.taken += len(message.get("body", b""))
        if self.taken > BODY_LIMIT:
            raise TooLargeError
        return message
