"""The table ``device_health``: read a device's standing, and change it together with its audit row."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from farm.health.record import Record
from farm.health.states import Clock, Standing, database_now

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

Change = Callable[[Standing, float], Standing]


def read(engine: Engine, device: str) -> Standing:
    """How a device is; unknown without a row. Raises as ``Store`` does."""
    return read_all(engine, device).get(device, Standing(device))


def read_all(engine: Engine, device: str | None = None) -> Mapping[str, Standing]:
    """Every device that has a row (or the one), by name. Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.faults import store_faults
    from farm_results.storage.schema import DEVICE_HEALTH

    query = select(DEVICE_HEALTH).order_by(DEVICE_HEALTH.c.device)
    if device is not None:
        query = query.where(DEVICE_HEALTH.c.device == device)
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        found = [_standing(row) for row in connection.execute(query).mappings()]
    return {standing.device: standing for standing in found}


def change(
    engine: Engine,
    device: str,
    actor: str,
    how: Change,
    *,
    event: str = "",
    clock: Clock | None = None,
    create: bool = True,
) -> tuple[Standing, Standing]:
    """Change a row as ``how(standing, now)`` says; before and after. Two changes at once happen in turn.

    Another health or reason appends an audit row in the same transaction, called ``event`` or after the new
    health. Without ``create`` a device that has no row stays without. Raises as ``Store`` does.
    """
    from farm import audit
    from farm_results.storage.engine import insert_into, writing
    from farm_results.storage.faults import store_faults
    from farm_results.storage.schema import DEVICE_HEALTH

    now = (clock or database_now)(engine)
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        before = _locked(engine, connection, device, create=create)
        if before is None:
            return Standing(device), Standing(device)
        after = how(before, now)
        if after == before:
            return before, after
        row = insert_into(engine, DEVICE_HEALTH).values(_values(after))
        connection.execute(
            row.on_conflict_do_update(index_elements=[DEVICE_HEALTH.c.device], set_=_values(after))
        )
        if (after.health, after.reason) != (before.health, before.reason):
            text = f"{before.health} -> {after.health}: {after.reason}"
            connection.execute(audit.row(engine, device, actor, event or f"health.{after.health}", text))
    return before, after


def _locked(engine: Engine, connection: Connection, device: str, *, create: bool) -> Standing | None:
    """The row, which no other transaction changes until ours ends."""
    from sqlalchemy import select

    from farm_results.storage.engine import insert_into
    from farm_results.storage.schema import DEVICE_HEALTH

    if create:
        blank = insert_into(engine, DEVICE_HEALTH).values(_values(Standing(device)))
        connection.execute(blank.on_conflict_do_nothing())
    query = select(DEVICE_HEALTH).where(DEVICE_HEALTH.c.device == device).with_for_update()
    row = connection.execute(query).mappings().first()
    return None if row is None else _standing(row)


def _standing(row: Mapping[Any, Any]) -> Standing:
    from farm_agent import codec

    return Standing(**{**row, "record": codec.loads(Record, row["record"])})


def _values(standing: Standing) -> dict[str, Any]:
    from farm_agent import codec

    values = dict(vars(standing))
    return {**values, "record": codec.dumps(standing.record)}


def touched(standing: Standing, now: float) -> Standing:
    """The row of a device that just answered: an alarm about its silence is over."""
    return replace(standing, seen_unix_s=now, record=replace(standing.record, told_unix_s=0.0))
