"""A device as the inventory knows it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Device:
    """One unit. ``address``: ``local``, ``ssh://user@host[:port]`` or ``adb:SERIAL[@server]``.

    ``host_key`` is the pinned key as ``type base64`` (empty for local). ``python`` overrides the Pythons
    that the profile tries; ``identity`` is a private key file's path, never its content.
    ``store_mb``: how much of converted models and data may stay on it; 0: what its profile says.
    ``may_reboot``: whether farm may restart it when it does not work any more.
    """

    name: str
    profile: str
    address: str
    host_key: str = ""
    tags: tuple[str, ...] = ()
    python: str = ""
    identity: str = ""
    root: str = ""
    store_mb: int = 0
    may_reboot: bool = False

    @property
    def transport(self) -> str:
        """The transport's name: the address's scheme."""
        return self.address.split(":", 1)[0]
