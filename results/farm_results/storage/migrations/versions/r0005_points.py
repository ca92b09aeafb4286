"""A series' points are read from one index: their rows lie far apart, one on each page of a year's table."""

from __future__ import annotations

import json

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_POINT = ["series", "created_unix_s", "job_id", "run_id", "status", "verdict", "value", "low", "high"]
_POINT += ["between_cv", "segment", "model_sha256", "artifact_sha256", "runtime_version", "energy_j"]
_POINT += ["peak_memory_bytes", "accuracy", "origin"]
_LONGEST = {
    "verdict": 40,
    "model_sha256": 64,
    "artifact_sha256": 64,
    "runtime_version": 100,
    "origin": 40,
}
"""PostgreSQL refuses rows of an index that are longer than a third of a page."""


def upgrade() -> None:
    """Put the points' columns behind their order, cut where no honest device says so much."""
    op.drop_index("result_in_series", "result")
    is_lite = op.get_bind().dialect.name == "sqlite"
    _take_no_unknown_rail()
    if not is_lite:
        _cut()
    op.create_index("result_points", "result", _POINT)
    if is_lite:
        _cut()  # it finds them by the index, without the rows


def _cut() -> None:
    from farm_results.storage.schema import escape, unescape

    connection = op.get_bind()
    result = sa.table("result", sa.column("job_id"), *map(sa.column, _LONGEST))
    long = sa.or_(*(sa.func.length(result.c[name]) > most for name, most in _LONGEST.items()))
    for row in connection.execute(sa.select(result).where(long)).mappings().all():
        short = {name: escape(unescape(row[name])[:most]) for name, most in _LONGEST.items()}
        connection.execute(sa.update(result).where(result.c.job_id == row["job_id"]).values(short))


def _take_no_unknown_rail() -> None:
    """A rail that may be part of another one stood for a result's energy where it came first."""
    from farm_agent import codec
    from farm_results.energy.place import headline
    from farm_results.model import Energy

    connection = op.get_bind()
    result = sa.table("result", sa.column("job_id"), sa.column("energy_j"), sa.column("record"))
    some = result.c.energy_j.is_not(None), result.c.record.like('%"scope":"unknown"%')
    rows = connection.execute(sa.select(result.c.job_id, result.c.record).where(*some)).all()
    for job_id, record in rows:
        try:
            best = headline([codec.decode(Energy, one) for one in json.loads(record)["energy"]])
        except (ValueError, LookupError):  # damage, which verify tells
            continue
        told = sa.update(result).where(result.c.job_id == job_id)
        connection.execute(told.values(energy_j=None if best is None else best.gross_j))


def downgrade() -> None:
    """The index that led to the rows."""
    op.drop_index("result_points", "result")
    op.create_index("result_in_series", "result", ["series", "created_unix_s"])
