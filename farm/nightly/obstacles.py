"""What stands in the way of a night now: devices in quarantine, reserved by others, or in use."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from farm.nightly.record import FAILED, WAITING, CellRecord

if TYPE_CHECKING:
    from farm_results.store import Store


def seen(store: Store, cells: Sequence[CellRecord], owner: str) -> tuple[tuple[CellRecord, ...], list[str]]:
    """The cells of a plan, those on devices that no measurement may take marked so; and a sentence for each
    device that somebody else has: a night waits for it. ``owner``: user@host of who asks."""
    from farm.devices import leases
    from farm.devices.holder import provably_dead, shown
    from farm.devices.reservations import reservation_of
    from farm.health.states import usable

    refused: dict[str, str] = {}
    lines = []
    for device in dict.fromkeys(cell.device for cell in cells if cell.state == WAITING):
        state = usable(store.engine, device)
        if state.error is not None:
            refused[device] = state.error.message
            lines.append(f"{device} is left alone: {state.fix.partition('; or use it')[0]}")
            continue
        reserved = reservation_of(store.engine, device)
        lease = leases.holder_of(store.engine, device)
        if reserved is not None and reserved.owner != owner:
            lines.append(f"{device} is {reserved.text()}")
        elif lease is not None and not provably_dead(lease.holder):
            lines.append(f"{device} is in use now by {shown(lease.holder)}")
    marked = (
        replace(cell, state=FAILED, why=refused[cell.device])
        if cell.state == WAITING and cell.device in refused
        else cell
        for cell in cells
    )
    return tuple(marked), lines
