"""Why a connection did not open, told apart and in words: each with what to do next."""

from __future__ import annotations

import errno
import socket
from typing import Any

from farm.devices.device import Device
from farm.devices.hostkeys import HostKey
from farm.errors import FarmError, InfrastructureError


class WrongType(Exception):
    """The server has no key of the pinned type."""


class Different(Exception):
    """The server's key of the pinned type is another one."""

    def __init__(self, offered: HostKey) -> None:
        super().__init__(offered.text())
        self.offered = offered


def explain(device: Device, connection: Any, error: Exception) -> Exception:  # noqa: ANN401
    """Our error for what fabric or paramiko raised while reaching the device itself."""
    import paramiko

    if isinstance(error, FarmError):
        return error
    if isinstance(error, paramiko.BadHostKeyException):
        return Different(HostKey(error.key.get_name(), error.key.asbytes()))
    if isinstance(error, paramiko.SSHException) and (
        "no acceptable host key" in str(error) or "not found in known_hosts" in str(error)
    ):
        return WrongType()
    transport = connection.client.get_transport()
    met = transport is not None and transport.initial_kex_done
    if isinstance(error, paramiko.AuthenticationException) or (
        met and isinstance(error, (paramiko.SSHException, EOFError, OSError))
    ):
        return refused(device, connection, error)
    return unreachable(device, connection, reason(error))


def explain_jump(device: Device, jump: Any, error: Exception) -> Exception:  # noqa: ANN401
    """The same for a jump host, whose key must stand in the user's own known_hosts."""
    import paramiko

    if isinstance(error, FarmError):
        return error
    where = f"{jump.user}@{jump.host}:{jump.port}"
    see = f"ssh -p {jump.port} {jump.user}@{jump.host} true"
    if isinstance(error, paramiko.BadHostKeyException):
        return InfrastructureError(
            f"device {device.name}: jump host {where} shows another host key than ~/.ssh/known_hosts has: "
            f"{_print(error.key)} instead of {_print(error.expected_key)}",
            code="device.host-key-changed",
            fix=f"find out why it changed; then `ssh-keygen -R {jump.host}` and `{see}`",
        )
    if isinstance(error, paramiko.SSHException) and "not found in known_hosts" in str(error):
        return InfrastructureError(
            f"device {device.name}: the host key of jump host {where} is not in ~/.ssh/known_hosts",
            code="device.host-key-unknown",
            fix=f"connect once with `{see}` and check the fingerprint it shows",
        )
    if isinstance(error, paramiko.AuthenticationException):
        return InfrastructureError(
            f"device {device.name}: jump host {where} refused the login: {error}",
            code="device.auth",
            fix=f"make `{see}` work without a password (ssh-copy-id, ssh-add, IdentityFile in ~/.ssh/config)",
        )
    return InfrastructureError(
        f"device {device.name}: jump host {where} cannot be reached: {reason(error)}",
        code="device.unreachable",
        fix=f"try `{see}`",
    )


def unpinned(device: Device, offered: HostKey) -> InfrastructureError:
    """The inventory has no key to compare with."""
    return InfrastructureError(
        f"device {device.name}: no host key is pinned; its address offers {offered.type} "
        f"{offered.fingerprint()}",
        code="device.host-key-unknown",
        fix=_repin(device, offered),
    )


def changed(device: Device, pinned: HostKey, offered: HostKey) -> InfrastructureError:
    """Another machine, a reinstalled one, or somebody in between."""
    return InfrastructureError(
        f"device {device.name}: its host key is not the pinned one: pinned {pinned.type} "
        f"{pinned.fingerprint()}, offered {offered.type} {offered.fingerprint()}",
        code="device.host-key-changed",
        fix=_repin(device, offered),
    )


def refused(device: Device, connection: Any, error: Exception) -> InfrastructureError:  # noqa: ANN401
    """The user or the key is wrong. farm logs in with keys only: a password would have to lie somewhere."""
    import paramiko

    keys = [str(name) for name in connection.connect_kwargs.get("key_filename", [])]
    tried = ", ".join(keys) or "the keys of the ssh agent and ~/.ssh"
    why = f"with {tried}"
    fix = f"copy a key there: ssh-copy-id -p {connection.port} {connection.user}@{connection.host}"
    if isinstance(error, paramiko.PasswordRequiredException):
        why, fix = (
            f"{tried}: the key is encrypted",
            f"unlock it in the agent: ssh-add {' '.join(keys)}".rstrip(),
        )
    elif isinstance(error, paramiko.SSHException) and "private key" in str(error):
        why = f"{tried}: {error}"
    return InfrastructureError(
        f"device {device.name}: {connection.host} refused the login as {connection.user} ({why})",
        code="device.auth",
        fix=f"{fix}; or give another user or --identity, or correct both in the inventory "
        f"(table devices.{device.name})",
    )


def unreachable(device: Device, connection: Any, why: str) -> InfrastructureError:  # noqa: ANN401
    """No SSH server answered there."""
    return InfrastructureError(
        f"device {device.name}: {connection.host} port {connection.port} cannot be reached: {why}",
        code="device.unreachable",
        fix=f"check power, network and address; try `ssh -p {connection.port} "
        f"{connection.user}@{connection.host} true`",
    )


def reason(error: BaseException) -> str:
    """One cause in plain words."""
    import paramiko

    if isinstance(error, paramiko.ssh_exception.NoValidConnectionsError):
        return "; ".join(dict.fromkeys(reason(each) for each in error.errors.values()))
    if isinstance(error, socket.gaierror):
        return f"its name is not known ({error.strerror})"
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, (EOFError, ConnectionResetError)):
        return "it closed the connection"
    if isinstance(error, OSError) and error.errno:
        words = {errno.ECONNREFUSED: "connection refused", errno.EHOSTUNREACH: "no route to it"}
        return words.get(error.errno, error.strerror or str(error))
    if "banner" in str(error):
        return "what answers there is not an SSH server, or is overloaded"
    return str(error) or type(error).__name__


def _repin(device: Device, offered: HostKey) -> str:
    kind = {"ssh-ed25519": "ed25519", "ssh-rsa": "rsa"}.get(offered.type, "ecdsa")
    return (
        f"compare with `ssh-keygen -lf /etc/ssh/ssh_host_{kind}_key.pub` on the device itself; if equal, "
        f"run: farm devices pin {device.name} --fingerprint {offered.fingerprint()}"
    )


def _print(key: Any) -> str:  # noqa: ANN401
    return HostKey(key.get_name(), key.asbytes()).fingerprint()
