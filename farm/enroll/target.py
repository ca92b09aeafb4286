"""What ``farm enroll`` is told: user@host[:port], ssh://user@host[:port] or adb:SERIAL."""

from __future__ import annotations

import re

from farm.devices.address import Address, parse_address
from farm.errors import UsageError

_UNFIT = re.compile(r"[^A-Za-z0-9._-]+")


def parse_target(text: str) -> Address:
    """An ssh address with a user, or an adb one. Raises UsageError enroll.target, device.address."""
    known = text.startswith(("ssh:", "adb:")) or "://" in text
    address = parse_address(text if known else f"ssh://{text}")
    if address.scheme == "local":
        raise _refuse(text, "this machine needs no enrolment")
    if address.scheme == "ssh" and not address.user:
        raise _refuse(text, "as whom to log in is missing")
    return address


def default_name(address: Address) -> str:
    """A device name made of the host or serial."""
    name = _UNFIT.sub("-", address.serial or address.host).strip("-._")
    return name[:64] or "device"


def _refuse(text: str, why: str) -> UsageError:
    return UsageError(
        f"{text!r} cannot be enrolled: {why}",
        code="enroll.target",
        fix="write USER@HOST[:PORT] with a user who may use sudo there, or root; or adb:SERIAL",
    )
