"""Host keys: read, named by fingerprint as OpenSSH does, and asked from a server without logging in."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass

from farm.devices.device import Device
from farm.errors import UsageError

# Key type -> the signature algorithms to offer for it, and no others (an RSA key signs by SHA-2 only).
ALGORITHMS = {
    "ssh-ed25519": ("ssh-ed25519",),
    "ecdsa-sha2-nistp256": ("ecdsa-sha2-nistp256",),
    "ecdsa-sha2-nistp384": ("ecdsa-sha2-nistp384",),
    "ecdsa-sha2-nistp521": ("ecdsa-sha2-nistp521",),
    "ssh-rsa": ("rsa-sha2-512", "rsa-sha2-256"),
}


@dataclass(frozen=True)
class HostKey:
    """A public host key. ``data`` is the key's wire form, which starts with its own type."""

    type: str
    data: bytes

    def text(self) -> str:
        """``type base64``, as in known_hosts and in the inventory."""
        return f"{self.type} {base64.b64encode(self.data).decode()}"

    def fingerprint(self) -> str:
        """SHA256:..., exactly as ``ssh-keygen -l`` prints it."""
        digest = hashlib.sha256(self.data).digest()
        return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def parse(text: str) -> HostKey:
    """Read ``type base64 [comment]``. Raises UsageError device.host-key-format."""
    kind, _, rest = text.strip().partition(" ")
    if kind not in ALGORITHMS:
        raise _malformed(text, f"its type is not one of {', '.join(ALGORITHMS)}")
    try:
        data = base64.b64decode(rest.split()[0] if rest.split() else "", validate=True)
    except binascii.Error as error:
        raise _malformed(text, "the second word is not base64") from error
    length = int.from_bytes(data[:4], "big")
    if data[4 : 4 + length] != kind.encode() or len(data) <= 4 + length:
        raise _malformed(text, f"the key inside is not a {kind} key")
    return HostKey(kind, data)


def fetch(device: Device, timeout_s: float) -> HostKey:
    """The key that the device's address offers now. It is shown to a person, never trusted by itself.

    ~/.ssh/config applies (HostName, Port, ProxyJump, ProxyCommand); nobody logs in on the device itself.
    Raises InfrastructureError device.unreachable, and what a jump host raises.
    """
    from farm.transports.ssh.opening import remote_key

    return remote_key(device, timeout_s)


def _malformed(text: str, why: str) -> UsageError:
    shown = text if len(text) <= 60 else text[:57] + "..."
    return UsageError(
        f"host key {shown!r}: {why}",
        code="device.host-key-format",
        fix="give `TYPE BASE64` as `cat /etc/ssh/ssh_host_ed25519_key.pub` on the device prints it",
    )
