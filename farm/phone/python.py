"""Which Python runs the agent on a device: one that is there, or on a phone the bundle's."""

from __future__ import annotations

from collections.abc import Sequence

from farm.devices.device import Device
from farm.transports import Transport


def find(transport: Transport, device: Device, pythons: Sequence[str]) -> str:
    """A Python of at least 3.8 on the device; ``pythons`` are those to try.

    Raises InfrastructureError device.no-python, device.python-too-old, and for a phone what
    ``farm.phone.bundle.ensure`` raises.
    """
    from farm.agent_client import find_python

    if device.transport != "adb" or device.python:
        return find_python(transport, pythons)
    from farm.config import load_config
    from farm.devices.root import make_root
    from farm.phone import bundle
    from farm_converters.installer import is_offline

    config = load_config()
    offline = config.offline or is_offline()
    root = make_root(transport, device)
    path = bundle.ensure(transport, device.name, root, config.cache_dir, offline=offline)
    return find_python(transport, (path,))
