"""Room on a device for a job: what goes for it, and what is said when that is not enough."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any

import pytest

from farm.devices.device import Device
from farm.devices.room import FLOOR_BYTES, MIB, QUOTA_BYTES, make_room, quota_bytes
from farm.errors import InfrastructureError
from farm_agent.wire import Blob, Stock
from farm_profiles.load import load_profile

BLOBS = (Blob("a" * 64, 30 * MIB, "model.onnx"), Blob("b" * 64, 2 * MIB, "data.npz"))


@dataclass
class Box:
    """An agent with a disk of its own: ``kept`` are unneeded files, of which so much is above its quota."""

    free: int
    kept: int = 0
    above_quota: int = 0
    present: int = 0
    root: str = "/home/farm/.farm"
    asked: list[tuple[int, int]] = field(default_factory=list)

    def stock(self, shas: list[str]) -> list[Stock]:
        return [Stock(sha, index < self.present, 0) for index, sha in enumerate(shas)]

    def gc(self, max_bytes: int, fence: int) -> dict[str, Any]:
        self.asked.append((max_bytes, fence))
        freed = self.above_quota if max_bytes else self.kept
        if not max_bytes:
            self.present = 0
        self.kept, self.above_quota, self.free = self.kept - freed, 0, self.free + freed
        return {"freed_bytes": freed}

    def hello(self) -> Any:
        return SimpleNamespace(free_bytes=self.free)


def room(box: Any) -> None:
    make_room(box, BLOBS, free_bytes=box.free, quota_bytes=100 * MIB, fence=7)


def test_nothing_is_asked_where_there_is_room() -> None:
    box = Box(32 * MIB + FLOOR_BYTES)
    room(box)
    assert box.asked == []


def test_what_lies_there_already_needs_no_room() -> None:
    box = Box(2 * MIB + FLOOR_BYTES, present=1)
    room(box)
    assert box.asked == []


def test_first_what_is_above_the_quota_goes_then_all_that_no_job_needs() -> None:
    box = Box(FLOOR_BYTES, kept=60 * MIB, above_quota=40 * MIB)
    room(box)
    assert box.asked == [(100 * MIB, 7)]
    box = Box(FLOOR_BYTES, kept=60 * MIB, above_quota=5 * MIB)
    room(box)
    assert box.asked == [(100 * MIB, 7), (0, 7)]


def test_what_is_still_too_little_says_how_much_is_missing() -> None:
    box = Box(FLOOR_BYTES, kept=10 * MIB, present=1)
    with pytest.raises(InfrastructureError) as caught:
        room(box)
    assert caught.value.code == "device.disk-full"
    assert "has 26.0 MiB free, the job needs 48.0 MiB" in caught.value.message
    assert "freed 10.0 MiB" in caught.value.message


def test_the_inventory_then_the_profile_says_how_much_may_stay() -> None:
    profile = load_profile("x86-cpu")
    device = Device("box", "x86-cpu", "local")
    assert quota_bytes(device, profile) == QUOTA_BYTES
    small = replace(profile, limits=replace(profile.limits, store_mb=100))
    assert quota_bytes(device, small) == 100 * MIB
    assert quota_bytes(replace(device, store_mb=50), small) == 50 * MIB
