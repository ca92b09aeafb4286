"""Who may look and who may change: one token for all, sessions that it signs, and a secret for every form.

A session is a cookie that the token signs, so that nothing is kept here and a new token ends every session.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import hmac
import os
import secrets
import stat
from dataclasses import dataclass
from pathlib import Path

from farm_agent.errors import UsageError

SESSION_S = 12 * 3600.0
NAME_LIMIT = 60
BEARER = "bearer"
_LEAST = 20


@dataclass(frozen=True)
class Access:
    """``token``: what a person shows once. ``open_reading``: whoever reaches the server may look without it.
    ``read_only``: nobody may change anything. ``port`` tells apart the cookies of two servers of one host."""

    token: str
    open_reading: bool
    read_only: bool = False
    port: int = 0

    @property
    def cookie(self) -> str:
        """The name of the session's cookie."""
        return f"farm_session_{self.port}"

    def is_token(self, text: str) -> bool:
        """Whether this is the token, in the same time for every wrong one."""
        return hmac.compare_digest(_digest(text), _digest(self.token))

    def begin(self, now_unix_s: float, name: str) -> str:
        """The cookie of a new session of somebody who calls themselves ``name``."""
        who = base64.urlsafe_b64encode(name[:NAME_LIMIT].encode("utf-8", "replace")).decode().rstrip("=")
        body = f"{int(now_unix_s + SESSION_S)}.{secrets.token_hex(16)}.{who}"
        return f"{body}.{self._sign('session', body)}"

    def session(self, cookie: str, now_unix_s: float) -> str:
        """The session that a cookie stands for; "" when it is not ours or has ended."""
        body, _, signature = cookie.rpartition(".")
        if not body or not hmac.compare_digest(_digest(signature), _digest(self._sign("session", body))):
            return ""
        until = body.partition(".")[0]
        return body if until.isdigit() and len(until) < 16 and int(until) > now_unix_s else ""

    def form_secret(self, session: str) -> str:
        """What every form of a session must carry: another site cannot know it."""
        return self._sign("form", session)

    def is_form_secret(self, session: str, text: str) -> bool:
        """Whether a form was made for this session."""
        return bool(session) and hmac.compare_digest(_digest(text), _digest(self.form_secret(session)))

    def _sign(self, purpose: str, body: str) -> str:
        return hmac.new(self.token.encode(), f"{purpose}:{body}".encode(), hashlib.sha256).hexdigest()


def actor(session: str) -> str:
    """Who stands in the audit trail for what a session changes: the name given with the token, which nobody
    has proved."""
    packed = session.rpartition(".")[2]
    try:
        name = base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4)).decode() if "." in session else ""
    except (binascii.Error, UnicodeDecodeError):
        name = ""
    return f"{name or 'token'}@dashboard"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def read_token(path: Path) -> str:
    """The token in a file that only its owner may read; made on first use.

    Raises UsageError serve.token-open, serve.token.
    """
    try:
        _make(path)
        with path.open("rb") as file:
            mode = os.fstat(file.fileno())
            text = file.read(4096).decode("ascii", "replace").strip()
    except OSError as error:
        raise _unusable(path, f"cannot be used: {error.strerror}") from error
    if stat.S_IMODE(mode.st_mode) & 0o077:
        raise UsageError(
            f"others may read the token file {path}",
            code="serve.token-open",
            fix=f"remove it, so that a new token is made, or: chmod 600 {path}",
        )
    if len(text) < _LEAST or not text.isascii() or not text.isprintable() or " " in text:
        raise _unusable(path, f"does not hold a token of at least {_LEAST} plain characters")
    return text


def _make(path: Path) -> None:
    """A file with a new token, whole from its first moment; nothing where there is one."""
    if path.exists():
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_urlsafe(32) + "\n")
        with contextlib.suppress(FileExistsError):  # another server made one meanwhile
            os.link(part, path)
    finally:
        part.unlink(missing_ok=True)


def _unusable(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the token file {path} {why}",
        code="serve.token",
        fix="name another file with --token-file, or remove this one, so that a new one is made",
    )
