"""A device's address: ``local``, ``ssh://[user@]host[:port]`` (IPv6 in brackets), or ``adb:SERIAL``.

``adb:SERIAL@HOST[:PORT]`` names the adb server that sees the phone, where it is not this machine's own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

from farm.errors import UsageError

_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:.]+(%[A-Za-z0-9._-]+)?")
# As `adb devices` prints it: of USB, host:port of Wi-Fi, or a name of mDNS.
_SERIAL = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:()-]{0,127}")
_USER = re.compile(r"[A-Za-z0-9._][A-Za-z0-9._@+-]*\$?")


@dataclass(frozen=True)
class Address:
    """Parsed form. For ``local`` the host is empty; user and port are None where ssh's own config decides.

    For ``adb`` host and port are those of the adb server, empty and None for this machine's own.
    """

    scheme: str
    host: str = ""
    user: str | None = None
    port: int | None = None
    serial: str = ""

    def text(self) -> str:
        """The canonical form, as the inventory keeps it."""
        if self.scheme == "local":
            return "local"
        host = f"[{self.host}]" if ":" in self.host else self.host
        user = f"{self.user}@" if self.user else ""
        port = f":{self.port}" if self.port else ""
        if self.scheme == "adb":
            return f"adb:{self.serial}{'@' if host else ''}{host}{port}"
        return f"{self.scheme}://{user}{host}{port}"


def parse_address(text: str) -> Address:
    """Read an address. Raises UsageError device.address; a password in it is refused, never kept."""
    if text == "local":
        return Address("local")
    if text.startswith("adb:"):
        return _adb(text)
    if "://" not in text:
        raise _refuse(text, "it has no scheme", f"ssh://{text}" if _plain(text) else "")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError as error:
        raise _refuse(text, str(error)) from error
    if parts.scheme != "ssh":
        raise _refuse(text, f"scheme {parts.scheme!r} is not known")
    if parts.password is not None:
        # The address is not repeated: it holds the password.
        raise UsageError(
            "a password in an address would lie in the inventory and in logs; farm uses keys only",
            code="device.address",
            fix="copy your key to the device once with `ssh-copy-id USER@HOST`, then give ssh://USER@HOST",
        )
    if parts.path.strip("/") or parts.query or parts.fragment:
        raise _refuse(text, "nothing may follow the host and port")
    host, user = parts.hostname or "", unquote(parts.username) if parts.username else None
    if not _HOST.fullmatch(host) or host.startswith("-"):
        raise _refuse(text, f"{host!r} is not a host name")
    if user is not None and not _USER.fullmatch(user):
        raise _refuse(text, f"{user!r} is not a user name")
    if port == 0:
        raise _refuse(text, "port 0 cannot be reached")
    return Address("ssh", _written_host(parts.netloc, host), user, port)


def _adb(text: str) -> Address:
    serial, at, server = text.removeprefix("adb:").removeprefix("//").partition("@")
    if not _SERIAL.fullmatch(serial):
        raise _refuse(text, f"{serial!r} is not a serial as `adb devices` prints it")
    if not at:
        return Address("adb", serial=serial)
    try:
        parts = urlsplit(f"//{server}")
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _refuse(text, str(error)) from error
    if not _HOST.fullmatch(host) or host.startswith("-") or port == 0 or parts.username or parts.path:
        raise _refuse(text, f"{server!r} is not an adb server's HOST[:PORT]")
    return Address("adb", host, port=port, serial=serial)


def _written_host(netloc: str, lowered: str) -> str:
    """The host as written: urlsplit lowers it, and Host entries of ~/.ssh/config are case-sensitive."""
    rest = netloc.rpartition("@")[2]
    at = rest.lower().find(lowered.lower())
    return rest[at : at + len(lowered)]


def _plain(text: str) -> bool:
    user, _, host = text.rpartition("@")
    return bool(_HOST.fullmatch(host.partition(":")[0])) and (not user or bool(_USER.fullmatch(user)))


def _refuse(text: str, why: str, suggestion: str = "") -> UsageError:
    fix = f"write {suggestion}" if suggestion else "write `local`, ssh://[user@]host[:port] or adb:SERIAL"
    return UsageError(f"address {text!r}: {why}", code="device.address", fix=fix)
