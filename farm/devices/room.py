"""Disk space on a device: how much its agent may keep there, and room for a job before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from farm.errors import InfrastructureError
from farm_agent.wire import Blob

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.devices.device import Device
    from farm_profiles import Profile

MIB = 1024 * 1024
QUOTA_BYTES = 4096 * MIB
# What a job itself writes: its samples, its log, the reserve for its result.
FLOOR_BYTES = 16 * MIB


def quota_bytes(device: Device, profile: Profile) -> int:
    """How much of converted models and data may stay: by the inventory, else the profile, else 4 GiB."""
    wished_mb = device.store_mb or profile.limits.store_mb
    return wished_mb * MIB if wished_mb else QUOTA_BYTES


def make_room(
    client: AgentClient, blobs: Sequence[Blob], *, free_bytes: int, quota_bytes: int, fence: int
) -> None:
    """Have the agent drop what nobody needs where the files and their job would not fit.

    First what its quota asks for, then all that no job needs. ``free_bytes``: as its hello said. Raises
    InfrastructureError device.disk-full when that is not enough, lease.fenced, and the link's errors.
    """
    if free_bytes >= sum(blob.size_bytes for blob in blobs) + FLOOR_BYTES:
        return
    freed = 0
    for keep in (quota_bytes, 0):
        needed = _missing_bytes(client, blobs) + FLOOR_BYTES
        if free_bytes >= needed:
            return
        freed += int(client.gc(keep, fence).get("freed_bytes", 0))
        free_bytes = client.hello().free_bytes
    needed = _missing_bytes(client, blobs) + FLOOR_BYTES
    if free_bytes < needed:
        raise InfrastructureError(
            f"{client.root} has {_mib(free_bytes)} free, the job needs {_mib(needed)}; dropping everything "
            f"that no job needs freed {_mib(freed)}",
            code="device.disk-full",
            fix="free space on the device, or put the agent's folder on another disk: `root` in its entry "
            "of the inventory",
        )


def _missing_bytes(client: AgentClient, blobs: Sequence[Blob]) -> int:
    stock = client.stock([blob.sha256 for blob in blobs])
    return sum(
        blob.size_bytes - min(blob.size_bytes, found.partial_bytes)
        for blob, found in zip(blobs, stock, strict=True)
        if not found.complete
    )


def _mib(count: int) -> str:
    return f"{count / MIB:.1f} MiB"
