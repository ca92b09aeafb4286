"""Become root on the device: as root already, by sudo without a password, or with one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm.errors import InfrastructureError

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.enroll.link import Link

SUDO_TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Privilege:
    """``become``: whether sudo is needed; ``password``: what sudo asks for, empty where it asks nothing."""

    become: bool
    password: str = ""


def find(device: Device, link: Link, passwords: tuple[str, ...], ask: Callable[[], str] | None) -> Privilege:
    """Which way works. ``passwords`` are tried before ``ask`` (a person). Raises enroll.sudo."""
    if _says(link, ["id", "-u"]).strip() == "0":
        return Privilege(become=False)
    done = link.run(["sudo", "-n", "true"], timeout_s=SUDO_TIMEOUT_S)
    if done.returncode == 0:
        return Privilege(become=True)
    said = done.stderr.decode("utf-8", "replace")
    if done.returncode == 127 or "not found" in said:
        raise _refused(device, "there is no sudo", "log in as root (root@HOST), or install sudo there")
    if _may_not(said):
        raise _not_allowed(device, said)
    for password in dict.fromkeys(word for word in passwords if word):
        said = _tried(link, password)
        if not said:
            return Privilege(become=True, password=password)
        if _may_not(said):
            raise _not_allowed(device, said)
    if ask is None:
        why = "the password for sudo is wrong" if any(passwords) else "sudo asks for a password"
        raise _refused(device, why, "give --ask-become-password or --become-password-file FILE")
    password = ask()
    said = _tried(link, password)
    if said:
        if _may_not(said):
            raise _not_allowed(device, said)
        raise _refused(device, "the password for sudo is wrong", "run again and give the right one")
    return Privilege(become=True, password=password)


def _tried(link: Link, password: str) -> str:
    """What sudo said to this password; empty when it was right."""
    words = ["sudo", "-S", "-k", "-p", "", "true"]
    done = link.run(words, timeout_s=SUDO_TIMEOUT_S, stdin=f"{password}\n".encode())
    return "" if done.returncode == 0 else done.stderr.decode("utf-8", "replace").strip() or "refused"


def _may_not(said: str) -> bool:
    return any(words in said for words in ("not in the sudoers", "is not allowed", "may not run sudo"))


def _not_allowed(device: Device, said: str) -> InfrastructureError:
    words = said.strip().splitlines()[-1][:200]
    return _refused(
        device, f"sudo refuses ({words})", "log in as root, or as a user whom /etc/sudoers allows everything"
    )


def _refused(device: Device, why: str, fix: str) -> InfrastructureError:
    return InfrastructureError(
        f"device {device.name}: cannot become root: {why}", code="enroll.sudo", fix=fix
    )


def _says(link: Link, argv: list[str]) -> str:
    return link.run(argv, timeout_s=SUDO_TIMEOUT_S).stdout.decode("utf-8", "replace")
