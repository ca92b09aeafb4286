"""Check a store: every row can be read and agrees with its columns, every file is what its name says."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm_agent.errors import FarmError
from farm_results.storage.session import reading
from farm_results.transfer.cargo import BATCH, KINDS, Row, StoreCargo, needs

if TYPE_CHECKING:
    from farm_results.store import Store

DATABASE, ROW, COLUMNS, OBJECT, MISSING, SERIES_KIND = (
    "database",
    "row",
    "columns",
    "object",
    "missing file",
    "series",
)


@dataclass(frozen=True)
class Problem:
    """``kind``: database, row, columns, object, missing file or series; ``name``: which one."""

    kind: str
    name: str
    text: str


@dataclass(frozen=True)
class Checked:
    """What was looked at, and what is wrong."""

    rows: int
    objects: int
    problems: tuple[Problem, ...]


def verify(store: Store, *, contents: bool = True, tell: Callable[[str, int], None] | None = None) -> Checked:
    """Look at everything; without ``contents``, files are only looked for, not read.

    Raises what a store raises where it cannot be read at all.
    """
    problems = list(_database(store))
    rows = 0
    named: dict[str, str] = {}
    for kind in KINDS:
        found = _results(store, problems) if kind == "results" else StoreCargo(store).rows(kind)
        try:
            for row in found:
                rows += 1
                for sha256 in needs(row):
                    named.setdefault(sha256, str(getattr(row, "job_id", getattr(row, "comparison_id", ""))))
                if tell is not None and rows % 1000 == 0:
                    tell("rows", rows)
        except FarmError as error:
            if error.code != "store.corrupt":
                raise
            problems.append(Problem(ROW, kind, error.message))
    problems += _series(store)
    here = set(_hashes(store))
    for sha256 in named.keys() - here:
        problems.append(Problem(MISSING, sha256, f"{named[sha256]} names it"))
    if contents:
        for count, sha256 in enumerate(sorted(here), 1):
            problems += _object(store, sha256)
            if tell is not None and count % 100 == 0:
                tell("objects", count)
    return Checked(rows, len(here), tuple(problems))


def _database(store: Store) -> Iterator[Problem]:
    """What the database itself says of its file."""
    if store.engine.dialect.name != "sqlite":
        return
    with reading(store) as connection:
        for (text,) in connection.exec_driver_sql("PRAGMA integrity_check(20)"):
            if text != "ok":
                yield Problem(DATABASE, store.name, str(text))
        for table, number, parent, _ in connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(20):
            yield Problem(DATABASE, str(table), f"row {number} points at nothing in {parent}")


def _results(store: Store, problems: list[Problem]) -> Iterator[Row]:
    """Results whose rows can be read; one that cannot does not hide those behind it."""
    from sqlalchemy import select

    from farm_results.storage.columns import columns_of, is_sealed
    from farm_results.storage.document import result_of
    from farm_results.storage.schema import DOCUMENT, RESULT

    last: str | None = None
    while True:
        query = (
            select(RESULT, DOCUMENT.c.packed)
            .outerjoin(DOCUMENT, DOCUMENT.c.job_id == RESULT.c.job_id)
            .order_by(RESULT.c.job_id)
            .limit(BATCH)
        )
        if last is not None:
            query = query.where(RESULT.c.job_id > last)
        with reading(store) as connection:
            rows = [dict(row) for row in connection.execute(query).mappings()]
        for row in rows:
            packed = row.pop("packed")
            try:
                result = result_of(row["record"], packed)
            except ValueError as error:
                problems.append(Problem(ROW, row["job_id"], str(error)))
                continue
            if not is_sealed(row["record"], packed):
                problems.append(Problem(ROW, row["job_id"], "its record is not the one that was stored"))
            problems += _differing(row, columns_of(result))
            yield result
        if len(rows) < BATCH:
            return
        last = rows[-1]["job_id"]


def _differing(row: dict[str, Any], wanted: dict[str, Any]) -> list[Problem]:
    names = [name for name in wanted if name != "record" and not _same(row[name], wanted[name])]
    if not names:
        return []
    return [Problem(COLUMNS, row["job_id"], f"not what the record says: {', '.join(names)}")]


def _same(one: object, other: object) -> bool:
    return one == other or repr(one) == repr(other)  # the latter for NaN


def _series(store: Store) -> Iterator[Problem]:
    """Results whose series has no row, and rows that name results that are not there."""
    from sqlalchemy import func, select

    from farm_results.storage.schema import RESULT, SERIES

    lost = (
        select(RESULT.c.series, func.count())
        .outerjoin(SERIES, SERIES.c.series == RESULT.c.series)
        .where(SERIES.c.series.is_(None))
        .group_by(RESULT.c.series)
        .limit(20)
    )
    dangling = (
        select(SERIES.c.series, SERIES.c.last_job_id)
        .outerjoin(RESULT, RESULT.c.job_id == SERIES.c.last_job_id)
        .where(RESULT.c.job_id.is_(None))
        .limit(20)
    )
    with reading(store) as connection:
        for series, count in connection.execute(lost).all():
            yield Problem(SERIES_KIND, series, f"{count} results, but no row of it")
        for series, job_id in connection.execute(dangling).all():
            yield Problem(SERIES_KIND, series, f"its newest result {job_id} is not there")


def _hashes(store: Store) -> Iterator[str]:
    for path in store.objects.folder.glob("??/*"):
        if path.is_file():
            yield path.parent.name + path.name


def _object(store: Store, sha256: str) -> list[Problem]:
    try:
        with store.objects.path_of(sha256).open("rb") as stream:
            got = hashlib.file_digest(stream, "sha256").hexdigest()
    except (OSError, FarmError) as error:
        return [Problem(OBJECT, sha256, str(error))]
    return [] if got == sha256 else [Problem(OBJECT, sha256, f"its content is that of {got}")]
