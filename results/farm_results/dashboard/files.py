"""A model's files: its versions and what was converted of them, out of its newest results."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_results.dashboard.rows import Line, lines
from farm_results.storage.session import reading

if TYPE_CHECKING:
    from farm_results.store import Store

LOOK_AT = 5000
MOST_CONVERTED = 200


@dataclass(frozen=True)
class Used:
    """A version of a model with a file that was made of it ("" for none), in so many results."""

    model_sha256: str
    artifact_sha256: str
    results: int
    first_unix_s: float
    last_unix_s: float


def used(store: Store, model: str, series: Collection[str], most: int = LOOK_AT) -> list[Used]:
    """Of the newest ``most`` results of a model's series, the last used first. Raises as ``Store`` does.

    Asked by series, since the index of their points holds all of it: the rows of a model lie far apart.
    """
    from sqlalchemy import func, select

    from farm_results.storage.schema import RESULT

    at = RESULT.c.created_unix_s
    oldest = select(at).where(RESULT.c.model == model).order_by(at.desc()).offset(most - 1).limit(1)
    files = (RESULT.c.model_sha256, RESULT.c.artifact_sha256)
    query = select(*files, func.count(), func.min(at), func.max(at)).where(RESULT.c.series.in_(series))
    with reading(store) as connection:
        since = connection.execute(oldest).scalar()
        query = query if since is None else query.where(at >= since)
        found = [Used(*row) for row in connection.execute(query.group_by(*files))]
    return sorted(found, key=lambda one: (-one.last_unix_s, one.model_sha256, one.artifact_sha256))


def converted(store: Store, model: str, files: Sequence[Used]) -> list[Line]:
    """The newest result of each converted file, the last used first. Raises as ``Store`` does."""
    from farm_results.storage.schema import RESULT

    last: dict[str, float] = {}
    for one in files:
        if one.artifact_sha256 and len(last) < MOST_CONVERTED:
            last.setdefault(one.artifact_sha256, one.last_unix_s)
    if not last:
        return []
    then = (RESULT.c.created_unix_s.in_(set(last.values())), RESULT.c.artifact_sha256.in_(last))
    found: dict[str, Line] = {}
    for line in lines(store, model=model, where=then, limit=LOOK_AT):
        found.setdefault(line.artifact_sha256, line)
    return list(found.values())
