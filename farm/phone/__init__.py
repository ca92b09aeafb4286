"""Android phones over adb: what they are, and the Python with runtimes that a stock one is given."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from farm.config import Config
    from farm.devices.device import Device
    from farm.phone.identity import Phone

__all__ = ["enroll"]


def enroll(
    address: str,
    name: str,
    *,
    config: Config,
    profile: str = "auto",
    tags: Sequence[str] = (),
    check: bool = False,
    say: Callable[[str], None] = lambda _text: None,
) -> tuple[Device, Phone]:
    """Prove the phone at ``adb:SERIAL[@server]``, give it the bundle, and say what it is.

    Returns its entry for the inventory, which the caller adds, and what it told about itself. Nothing is
    written here; with ``check`` nothing on the phone either.

    Raises UsageError device.address, profile.unknown, device.profile-unclear; InfrastructureError
    device.*, link.*, adb.*, phone.*.
    """
    from farm.phone.enrolment import enroll as begin

    return begin(address, name, config=config, profile=profile, tags=tags, check=check, say=say)
