"""What can be carried into a store, wherever it comes from."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Protocol

from farm_agent import codec
from farm_results.comparison import Comparison
from farm_results.finding import Finding
from farm_results.history.baselines import Baseline
from farm_results.model import Result, Run
from farm_results.night import Night
from farm_results.storage.faults import store_faults
from farm_results.storage.session import reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement, Table

    from farm_results.storage.objects import Objects
    from farm_results.store import Store

BATCH = 200
_SHA256 = re.compile(r"(?<![0-9a-f])[0-9a-f]{64}(?![0-9a-f])")


@dataclass(frozen=True)
class AuditRow:
    """One row of the audit trail; it has no name of its own, so two that are equal are the same one."""

    at_unix_s: float
    device: str
    actor: str
    event: str
    reason: str


Row = Run | Result | Comparison | Night | Finding | Baseline | AuditRow

KINDS: dict[str, type[Row]] = {
    "runs": Run,
    "results": Result,
    "comparisons": Comparison,
    "nights": Night,
    "findings": Finding,
    "baselines": Baseline,
    "audit": AuditRow,
}
"""What is carried, in the order in which it must arrive. What is of the moment (leases, reservations, the
queue, devices' health) stays where it is."""


class Cargo(Protocol):
    """Where rows and objects come from. ``broken``: rows that were passed over, and why."""

    name: str
    broken: list[str]

    def rows(self, kind: str) -> Iterator[Row]:
        """Every row of one of ``KINDS``."""

    def has(self, sha256: str) -> bool:
        """Whether the object is there."""

    def copy(self, sha256: str, objects: Objects) -> None:
        """Put an object into ``objects``, verified. Raises InfrastructureError store.object-corrupt."""


class StoreCargo:
    """All that a store remembers, or only some runs with their results and comparisons."""

    def __init__(self, store: Store, run_ids: Sequence[str] | None = None, *, strict: bool = True) -> None:
        """Where it is not ``strict``, rows that cannot be read are passed over and listed in ``broken``."""
        self.store = store
        self.broken: list[str] = []
        self._strict = strict
        self.name = store.name
        self._run_ids = None if run_ids is None else list(run_ids)

    def rows(self, kind: str) -> Iterator[Row]:
        """As ``Cargo`` says; a batch at a time, so that a store of any size fits."""
        if self._run_ids is None or kind in ("runs", "results", "comparisons"):
            with store_faults(self.name):
                yield from self._read(kind)

    def has(self, sha256: str) -> bool:
        """As ``Cargo`` says."""
        return self.store.objects.has(sha256)

    def copy(self, sha256: str, objects: Objects) -> None:
        """As ``Cargo`` says."""
        objects.put_file(self.store.objects.path_of(sha256), sha256)

    def _read(self, kind: str) -> Iterator[Row]:
        """In the order of their key, in pages that each begin behind the last one."""
        from sqlalchemy import select

        layout = _layout(kind)
        key, last = layout.key, None
        while True:
            query = select(key, *layout.columns).order_by(key).limit(BATCH)
            if layout.joined is not None:
                query = query.join_from(layout.table, *layout.joined, isouter=True)
            if self._run_ids is not None:
                query = query.where(layout.table.c.run_id.in_(self._run_ids))
            if last is not None:
                query = query.where(key > last)
            with reading(self.store) as connection:
                rows = connection.execute(query).all()
            for row in rows:
                try:
                    built = layout.build(*row[1:])
                except ValueError as error:
                    if self._strict:
                        raise
                    self.broken.append(f"{row[0]}: {error}")
                else:
                    yield built
            if len(rows) < BATCH:
                return
            last = rows[-1][0]


@dataclass(frozen=True)
class _Layout:
    """How rows of a kind lie in a store. ``joined``: another table, and on what."""

    table: Table
    key: ColumnElement[Any]
    columns: Sequence[ColumnElement[Any]]
    build: Callable[..., Row]
    joined: tuple[Any, Any] | None = None


def _layout(kind: str) -> _Layout:
    from farm_results.storage import schema
    from farm_results.storage.document import result_of

    if kind == "results":
        document, result = schema.DOCUMENT.c, schema.RESULT.c
        joined = (schema.DOCUMENT, document.job_id == result.job_id)
        columns = [result.record, document.packed]
        return _Layout(schema.RESULT, result.job_id, columns, result_of, joined)
    tables: dict[str, tuple[Table, str]] = {
        "runs": (schema.RUN, "run_id"),
        "comparisons": (schema.COMPARISON, "comparison_id"),
        "nights": (schema.NIGHT, "night_id"),
        "findings": (schema.FINDING, "finding_id"),
        "baselines": (schema.BASELINE, "baseline_id"),
        "audit": (schema.AUDIT, "number"),
    }
    table, key = tables[kind]
    made = KINDS[kind]
    if "record" in table.c:
        return _Layout(table, table.c[key], [table.c.record], lambda record: codec.loads(made, record))
    return _Layout(table, table.c[key], [table.c[field.name] for field in fields(made)], made)


def needs(row: Row) -> tuple[str, ...]:
    """Objects without which a row would tell of files that are not there."""
    if isinstance(row, Result):
        return (*row.sample_hashes, *row.trace_hashes)
    return row.sample_hashes if isinstance(row, Comparison) else ()


def mentions(texts: Iterable[str]) -> set[str]:
    """Every sha256 that occurs in the texts: what it names may be an object."""
    return {sha256 for text in texts for sha256 in _SHA256.findall(text)}
