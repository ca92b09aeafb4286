"""``farm enroll adb:SERIAL``: hands a phone to ``farm.phone``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from farm.errors import UsageError

if TYPE_CHECKING:
    from farm.cli.state import State
    from farm.devices.address import Address


def enroll_phone(state: State, address: Address, name: str, profile: str, tags: tuple[str, ...]) -> int:
    """Raises what the phone's enrolment raises."""
    del state, profile, tags
    raise UsageError(
        f"{address.text()} ({name}): phones cannot be enrolled by this release",
        code="enroll.target",
        fix="farm devices add NAME adb:SERIAL",
    )
