"""One verified SSH connection by OpenSSH, opened by key or password, for our questions and for Ansible.

It is a control master: a password is given once, here, and what comes after needs none. Only the pinned host
key is ever accepted. The password lies in a file of our own private folder while ssh asks for it.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farm.devices import hostkeys
from farm.devices.address import parse_address
from farm.devices.device import Device
from farm.enroll.link import Link
from farm.errors import InfrastructureError, UsageError
from farm_converters import children, guard

OPEN_TIMEOUT_S = 30.0
POLL_S = 0.05
# Answers a password prompt, and nothing else that ssh may ask.
_ASKPASS = """#!/bin/sh
case $1 in *[Pp]assword*) exec cat "${0%/*}/password" ;; esac
exit 1
"""


@dataclass(frozen=True)
class Login:
    """An open connection. ``options``: what an ssh or Ansible needs to use it; ``folder``: ours alone."""

    device: Device
    options: tuple[str, ...]
    folder: Path
    link: Link


@contextlib.contextmanager
def logged_in(device: Device, password: str) -> Iterator[Login]:
    """Log in at ``device`` (its host key is pinned); without a password by key.

    Raises InfrastructureError device.unreachable, device.host-key-changed, enroll.login; UsageError
    enroll.no-ssh, device.identity.
    """
    if shutil.which("ssh") is None:
        raise UsageError(
            "this machine has no ssh", code="enroll.no-ssh", fix="install OpenSSH's client: openssh-client"
        )
    if device.identity and not os.access(Path(device.identity).expanduser(), os.R_OK):
        raise UsageError(
            f"the private key {device.identity} cannot be read",
            code="device.identity",
            fix="name another one with --identity",
        )
    # Short: the path of a unix socket has room for about a hundred bytes
    folder = Path(tempfile.mkdtemp(prefix="farm-login-", dir="/tmp"))
    try:
        options = _options(device, folder, password)
        process = subprocess.Popen(
            guard.command(["ssh", "-M", "-N", *options, "--", parse_address(device.address).host]),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=(folder / "said").open("wb"),
            start_new_session=True,
            env=_environment(folder, password),
        )
        with children.owned(process):
            _wait(device, process, folder, password)
            (folder / "password").unlink(missing_ok=True)
            yield Login(device, options, folder, Link(device, options))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _options(device: Device, folder: Path, password: str) -> tuple[str, ...]:
    address, pinned = parse_address(device.address), hostkeys.parse(device.host_key)
    (folder / "known_hosts").write_text(f"farm-device {pinned.text()}\n")
    settings = {
        "ControlPath": str(folder / "link"),
        "ControlPersist": "no",
        "HostKeyAlias": "farm-device",
        "UserKnownHostsFile": str(folder / "known_hosts"),
        "GlobalKnownHostsFile": "/dev/null",
        "StrictHostKeyChecking": "yes",
        "UpdateHostKeys": "no",
        "VerifyHostKeyDNS": "no",
        "HostKeyAlgorithms": ",".join(hostkeys.ALGORITHMS[pinned.type]),
        "ConnectTimeout": "20",
        "ServerAliveInterval": "5",
        "ServerAliveCountMax": "3",
        "ForwardAgent": "no",
        "ForwardX11": "no",
        "ClearAllForwardings": "yes",
        "User": address.user or "",
    }
    if address.port:
        settings["Port"] = str(address.port)
    if password:
        settings |= {
            "PubkeyAuthentication": "no",
            "PreferredAuthentications": "password,keyboard-interactive",
            "NumberOfPasswordPrompts": "1",
        }
    else:
        settings |= {"BatchMode": "yes"}
    if device.identity:
        settings["IdentityFile"] = str(Path(device.identity).expanduser())
    return tuple(word for name, value in settings.items() if value for word in ("-o", f"{name}={value}"))


def _environment(folder: Path, password: str) -> dict[str, str]:
    environment = {**os.environ, "LC_ALL": "C"}
    if password:
        for name, text, mode in (("password", password + "\n", 0o600), ("askpass", _ASKPASS, 0o700)):
            path = folder / name
            path.touch(mode=mode)
            path.write_text(text)
        # The display is for an ssh older than SSH_ASKPASS_REQUIRE
        environment |= {
            "SSH_ASKPASS": str(folder / "askpass"),
            "SSH_ASKPASS_REQUIRE": "force",
            "DISPLAY": ":",
        }
    return environment


def _wait(device: Device, process: subprocess.Popen[bytes], folder: Path, password: str) -> None:
    """Until the connection is open. Raises why it is not."""
    end = time.monotonic() + OPEN_TIMEOUT_S
    socket = folder / "link"
    while process.poll() is None:
        with contextlib.suppress(FileNotFoundError):
            if stat.S_ISSOCK(socket.stat().st_mode):
                return
        if time.monotonic() > end:
            raise _unreachable(device, f"no answer within {OPEN_TIMEOUT_S:.0f} s")
        time.sleep(POLL_S)
    raise explained(device, (folder / "said").read_text(errors="replace"), by_password=bool(password))


def explained(device: Device, said: str, *, by_password: bool) -> InfrastructureError:
    """What ssh's last words mean."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    last = lines[-1][:300] if lines else "ssh ended without a word"
    address = parse_address(device.address)
    who = f"{address.user}@{address.host}"
    if "host key" in said.lower() and ("verification failed" in said or "no matching host key" in said):
        pinned, offered = hostkeys.parse(device.host_key), hostkeys.fetch(device, 20.0)
        return InfrastructureError(
            f"device {device.name}: its host key is not the pinned one: pinned {pinned.type} "
            f"{pinned.fingerprint()}, offered {offered.type} {offered.fingerprint()}",
            code="device.host-key-changed",
            fix="compare with `ssh-keygen -lf /etc/ssh/ssh_host_*_key.pub` on the device itself; if equal: "
            f"farm enroll ... --fingerprint {offered.fingerprint()}, or before it is retired: "
            f"farm devices pin {device.name} --fingerprint {offered.fingerprint()}",
        )
    if "Permission denied" in said or "Too many authentication failures" in said:
        methods = last.partition("(")[2].partition(")")[0]
        if by_password and "password" not in methods and "keyboard" not in methods:
            why, fix = "it takes no passwords", "log in with a key: --identity FILE"
        elif by_password:
            why, fix = "the password is wrong", "give the right one; it is asked for, or --password-file FILE"
        else:
            why = "no key of yours is known there"
            fix = "give --ask-password or --password-file FILE, or the right key: --identity FILE"
        return InfrastructureError(
            f"device {device.name}: {who} may not log in: {why} ({last})", code="enroll.login", fix=fix
        )
    return _unreachable(device, last)


def _unreachable(device: Device, why: str) -> InfrastructureError:
    address = parse_address(device.address)
    return InfrastructureError(
        f"device {device.name}: {address.host} cannot be reached: {why}",
        code="device.unreachable",
        fix=f"check power, network and address; try `ssh {'-p ' + str(address.port) if address.port else ''} "
        f"{address.user}@{address.host} true`".replace("  ", " "),
    )
