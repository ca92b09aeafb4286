"""Which host key to pin: given whole, or by the fingerprint of what the address offers, never unseen."""

from __future__ import annotations

from collections.abc import Callable

from farm.devices import hostkeys
from farm.devices.device import Device
from farm.errors import InfrastructureError, UsageError

FETCH_TIMEOUT_S = 20.0


def key_to_pin(
    device: Device,
    *,
    host_key: str,
    fingerprint: str,
    ask: Callable[[hostkeys.HostKey], bool] | None,
    again: str,
) -> str:
    """The key as ``type base64``. ``ask`` shows it to a person; None where nobody is there to answer.

    ``again`` is the command that a fix repeats. Raises UsageError device.host-key-unconfirmed,
    device.host-key-format; InfrastructureError device.host-key-changed, device.unreachable.
    """
    if host_key:
        return hostkeys.parse(host_key).text()
    if fingerprint and not fingerprint.startswith("SHA256:"):
        raise UsageError(
            f"{fingerprint!r} is not a fingerprint as OpenSSH prints it",
            code="device.host-key-format",
            fix="give SHA256:... as `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it there",
        )
    offered = hostkeys.fetch(device, FETCH_TIMEOUT_S)
    if fingerprint:
        if fingerprint.rstrip("=") != offered.fingerprint():
            raise InfrastructureError(
                f"device {device.name}: its address offers {offered.type} {offered.fingerprint()}, "
                f"not {fingerprint}",
                code="device.host-key-changed",
                fix="check the address; read the fingerprint of the key of that type on the device itself",
            )
        return offered.text()
    if ask is not None and ask(offered):
        return offered.text()
    raise UsageError(
        f"device {device.name}: nobody confirmed its host key, {offered.type} {offered.fingerprint()}",
        code="device.host-key-unconfirmed",
        fix=f"compare it with the device's own, then run: {again} --fingerprint {offered.fingerprint()}",
    )
