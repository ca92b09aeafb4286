"""``farm enroll adb:SERIAL``: from a phone that trusts this computer to one that runs the agent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from farm.devices.address import parse_address
from farm.devices.device import Device
from farm.errors import UsageError
from farm.phone import bundle, identity

if TYPE_CHECKING:
    from farm.config import Config
    from farm.phone.identity import Phone

CONNECT_TIMEOUT_S = 30.0


def enroll(
    address: str,
    name: str,
    *,
    config: Config,
    profile: str,
    tags: Sequence[str],
    check: bool,
    say: Callable[[str], None],
) -> tuple[Device, Phone]:
    """See ``farm.phone.enroll``."""
    from farm.devices import inventory
    from farm.devices.root import make_root
    from farm.transports import connect
    from farm_profiles.load import load_profile

    parsed = parse_address(address)
    if parsed.scheme != "adb":
        raise UsageError(f"{address!r} is no phone's address", code="device.address", fix="write adb:SERIAL")
    inventory.check_name(name)
    if profile != "auto":
        load_profile(profile)
    device = Device(name, profile, parsed.text(), tags=tuple(tags))
    say(f"{name}: looking for {parsed.serial}; accept this computer on the phone if it asks")
    transport = connect(device, CONNECT_TIMEOUT_S)
    try:
        phone = identity.ask(transport, name)
        chosen = identity.profile_of(phone) if profile == "auto" else profile
        say(f"{name}: {phone.title()}: profile {chosen}")
        if check:
            say(f"{name}: would be given a Python with ONNX Runtime and LiteRT, unless it has it already")
            return Device(name, chosen, parsed.text(), tags=tuple(tags)), phone
        root = make_root(transport, device)
        path = bundle.ensure(transport, name, root, config.cache_dir, offline=config.offline, say=say)
        say(f"{name}: its Python is {path}")
    finally:
        transport.close()
    return Device(name, chosen, parsed.text(), tags=tuple(tags)), phone
