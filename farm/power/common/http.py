"""One small JSON document over plain HTTP from a plug in the local network.

A deadline over the whole exchange, a bound on its size, no redirects, no proxies; a password comes from the
environment or from a file that only its owner can read, and appears in no message.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import stat
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import UsageError
from farm.kinds import Key
from farm.power import MeterError, MeterSettings
from farm.power.common import digest

LIMIT_BYTES = 64 * 1024
TIMEOUT_S = 3.0
_STEP_BYTES = 4096
_HOST = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,252}[A-Za-z0-9])?|\[[0-9A-Fa-f:.]+\]")

KEYS = {
    "address": Key((str,), required=True),
    "user": Key((str,)),
    "password_env": Key((str,)),
    "password_file": Key((str,)),
    "timeout_s": Key((float, int)),
}


@dataclass(frozen=True)
class Login:
    """``password`` is shown by nothing."""

    user: str
    password: str

    def __repr__(self) -> str:
        return f"Login({self.user!r}, ***)"


@dataclass(frozen=True)
class Host:
    """Where a plug answers. ``login`` None: it asks for none."""

    host: str
    port: int
    timeout_s: float = TIMEOUT_S
    login: Login | None = None

    def get(self, path: str, *, login: str = "") -> Any:  # noqa: ANN401 - JSON
        """The document at ``path``, and the path itself never in a message. ``login``: basic or digest.

        Raises MeterError meter.unreachable, meter.silent, meter.refused, meter.garbled.
        """
        deadline = time.monotonic() + self.timeout_s
        headers = {"Connection": "close"}
        if self.login and login == "basic":
            pair = f"{self.login.user}:{self.login.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        status, challenge, body = self._exchange(path, headers, deadline)
        if status == http.client.UNAUTHORIZED and self.login and login == "digest":
            answer = digest.answer(challenge, self.login.user, self.login.password, path)
            if answer:
                status, _, body = self._exchange(path, {**headers, "Authorization": answer}, deadline)
        if status != http.client.OK:
            raise MeterError(
                f"{self.host} answered with HTTP status {status}",
                code="meter.refused",
                fix="check the address, the kind and, for 401, user and password_env of the meter",
            )
        try:
            return json.loads(body)
        except (ValueError, RecursionError) as error:
            raise garbled(f"{self.host} did not answer with JSON") from error

    def _exchange(self, path: str, headers: dict[str, str], deadline: float) -> tuple[int, str, bytes]:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=self._left(deadline))
        try:
            connection.request("GET", path, headers=headers)
            response = connection.getresponse()
            body = bytearray()
            while True:
                if connection.sock is not None:
                    connection.sock.settimeout(self._left(deadline))
                else:
                    self._left(deadline)
                data = response.read1(_STEP_BYTES)
                body += data
                if len(body) > LIMIT_BYTES:
                    raise garbled(f"{self.host} answered with more than {LIMIT_BYTES} bytes")
                if not data:
                    return response.status, response.headers.get("WWW-Authenticate", ""), bytes(body)
        except TimeoutError as error:
            raise self._silent() from error
        except (OSError, http.client.HTTPException) as error:
            raise MeterError(
                f"{self.host}:{self.port} cannot be reached: {error or type(error).__name__}",
                code="meter.unreachable",
                fix="check the meter's address and that this machine shares a network with it",
            ) from error
        finally:
            connection.close()

    def _left(self, deadline: float) -> float:
        left_s = deadline - time.monotonic()
        if left_s <= 0:
            raise self._silent()
        return left_s

    def _silent(self) -> MeterError:
        return MeterError(
            f"{self.host} did not answer within {self.timeout_s:g} s",
            code="meter.silent",
            fix="check the meter's power and radio, or raise its timeout_s",
        )


def host_of(settings: MeterSettings) -> Host:
    """Raises UsageError meter.address, meter.password."""
    address = settings.text("address")
    host, colon, port = address.rpartition(":") if re.search(r":\d+$", address) else (address, "", "80")
    del colon
    if not _HOST.fullmatch(host) or not 0 < int(port) < 65536:
        raise UsageError(
            f"{address[:80]!r} is no address of a meter",
            code="meter.address",
            fix="give a host name or IP address without http:// and path, such as 192.168.1.20",
        )
    return Host(host.strip("[]"), int(port), settings.number("timeout_s", TIMEOUT_S), _login(settings))


def _login(settings: MeterSettings) -> Login | None:
    variable, file = settings.text("password_env"), settings.text("password_file")
    if not variable and not file:
        return None
    password = _from_file(Path(settings.folder) / file) if file else os.environ.get(variable, "")
    if not password:
        raise UsageError(
            f"the meter's password is not in {file or '$' + variable}",
            code="meter.password",
            fix=f"export {variable}=..." if variable else f"write the password into {file}, chmod 600",
        )
    return Login(settings.text("user", "admin"), password)


def _from_file(path: Path) -> str:
    try:
        with path.expanduser().open(encoding="utf-8") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UsageError(
                    f"{path} can be read by others", code="meter.password", fix=f"chmod 600 {path}"
                )
            return file.read(4096).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"{path} cannot be read: {error}", code="meter.password", fix=f"create {path}, chmod 600"
        ) from error


def garbled(message: str) -> MeterError:
    """An answer that makes no sense."""
    return MeterError(
        message, code="meter.garbled", fix="check the meter's kind and firmware; see docs/power.md"
    )


def number(value: object, what: str) -> float:
    """A finite JSON number. Raises MeterError ``meter.garbled``."""
    if isinstance(value, bool) or not isinstance(value, int | float) or abs(value) > 1e15 or value != value:  # noqa: PLR0124
        raise garbled(f"{what} is {str(value)[:60]!r}, no number")
    return float(value)
