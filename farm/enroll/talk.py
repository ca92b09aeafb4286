"""What a flow asks and tells a person; nobody may be there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from farm.devices.device import Device
    from farm.devices.hostkeys import HostKey
    from farm.enroll.events import Event
    from farm.enroll.proposal import Proposal


class Talk(Protocol):
    """``present``: whether somebody can answer."""

    present: bool

    def say(self, text: str) -> None:
        """Tell a line."""

    def hear(self, event: Event) -> None:
        """Ansible's progress."""

    def is_key(self, device: Device, key: HostKey) -> bool:
        """Whether this host key is the device's."""

    def password(self, what: str) -> str:
        """A secret, typed without echo."""

    def agreed(self, device: Device, proposal: Proposal | None) -> bool:
        """Show what would be done, and ask."""
