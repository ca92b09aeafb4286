"""What a person says about a device: how it is, and that it is right as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from farm.health import drift, rows
from farm.health.states import GOOD, QUARANTINED, UNKNOWN, Clock, Standing, moved

if TYPE_CHECKING:
    from sqlalchemy import Engine


def decree(
    engine: Engine,
    device: str,
    actor: str,
    health: str,
    reason: str,
    for_s: float | None = None,
    *,
    clock: Clock | None = None,
) -> Standing:
    """Set a device's health. A quarantine without ``for_s`` lasts until another decree; good and unknown
    forget the strikes."""

    def how(before: Standing, now: float) -> Standing:
        until = now + for_s if health == QUARANTINED and for_s is not None else 0.0
        strikes = 0 if health in (GOOD, UNKNOWN) else before.strikes
        return moved(before, health, reason, now, until_unix_s=until, strikes=strikes)

    return rows.change(engine, device, actor, how, clock=clock)[1]


def accept(engine: Engine, device: str, actor: str, *, clock: Clock | None = None) -> tuple[str, ...]:
    """Take the device as it is now as right: its facts, and its speed. Returns what had changed."""
    changed: list[str] = []

    def how(before: Standing, now: float) -> Standing:
        del now
        record = before.record
        changed.extend(drift.differences(record.accepted, record.facts))
        slower = tuple(each for each in record.canaries if each.slower)
        canaries = record.canaries
        if record.last is not None and record.last.slower:
            changed.append(f"slower by {100 * record.last.slower:.0f} %")
            canaries = tuple(replace(each, slower=0.0) for each in slower)
        if not changed:
            return before
        accepted = replace(record, accepted=dict(record.facts or record.accepted), canaries=canaries)
        return replace(before, record=accepted, reason=f"accepted: {'; '.join(changed)}"[:500])

    rows.change(engine, device, actor, how, event="health.accepted", clock=clock, create=False)
    return tuple(changed)
