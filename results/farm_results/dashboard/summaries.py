"""Each model of a store in a line: how many series it has, on how many devices, made into what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.storage.session import reading

if TYPE_CHECKING:
    from farm_results.store import Store


@dataclass(frozen=True)
class Summary:
    """A model. ``origin``: simulated where some of its series are, else ""."""

    model: str
    series: int
    devices: int
    last_unix_s: float
    origin: str
    formats: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()


def summaries(store: Store) -> list[Summary]:
    """Every model, the last measured first. Raises as ``Store`` does."""
    from sqlalchemy import func, select

    from farm_results.storage.schema import SERIES

    model, last = SERIES.c.model, func.max(SERIES.c.last_unix_s)
    counts = (func.count(), func.count(SERIES.c.device.distinct()), last, func.max(SERIES.c.origin))
    query = select(model, *counts).group_by(model).order_by(last.desc(), model)
    targets = select(model, SERIES.c.format, SERIES.c.runtime, SERIES.c.precision).distinct()
    made: dict[str, list[tuple[str, ...]]] = {}
    with reading(store) as connection:
        for name, *target in connection.execute(targets):
            made.setdefault(name, []).append(tuple(target))
        rows = connection.execute(query).all()
    return [
        Summary(*row, *(tuple(sorted(set(one))) for one in zip(*made[row[0]], strict=True))) for row in rows
    ]
