"""What differs between the results of a day and the ones before them: model file, runtime, surroundings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.storage.session import reading

if TYPE_CHECKING:
    from farm_results.store import Store

LOOK_AT = 3000


@dataclass(frozen=True)
class Change:
    """Of one series; ``before`` and ``after``: what its newest ok results on both sides of a time say."""

    what: str
    before: str
    after: str
    device: str
    model: str
    series: str


@dataclass(frozen=True)
class Changed:
    """``looked_at``: how many results; ``origin``: simulated where one of them is, else ""."""

    changes: tuple[Change, ...]
    looked_at: int
    origin: str


@dataclass(frozen=True)
class _Made:
    """What an ok result was made of."""

    model_sha256: str
    runtime_version: str
    segment: str
    runtime: str
    device: str
    model: str


def changed_since(store: Store, since_unix_s: float, most: int = LOOK_AT) -> Changed:
    """Among the newest ``most`` results. Raises as ``Store`` does."""
    from dataclasses import fields

    from sqlalchemy import select

    from farm_results.storage.schema import RESULT

    names = ("created_unix_s", "status", "series", "origin", *(field.name for field in fields(_Made)))
    query = select(*(RESULT.c[name] for name in names))
    query = query.order_by(RESULT.c.created_unix_s.desc(), RESULT.c.job_id).limit(most)
    with reading(store) as connection:
        rows = connection.execute(query).all()
    before: dict[str, _Made] = {}
    after: dict[str, _Made] = {}
    for at, status, series, _, *made in rows:  # the newest first
        side = after if at > since_unix_s else before
        if status == "ok" and series not in side:
            side[series] = _Made(*made)
    found = [
        Change(*pair, new.device, new.model, series)
        for series, new in after.items()
        if series in before
        for pair in _differences(before[series], new)
    ]
    return Changed(tuple(found), len(rows), next((row[3] for row in rows if row[3]), ""))


def _differences(old: _Made, new: _Made) -> list[tuple[str, str, str]]:
    pairs = (
        ("model file", old.model_sha256[:12], new.model_sha256[:12]),
        (new.runtime, old.runtime_version, new.runtime_version),
        ("surroundings of the device", old.segment, new.segment),
    )
    return [pair for pair in pairs if pair[1] != pair[2]]
