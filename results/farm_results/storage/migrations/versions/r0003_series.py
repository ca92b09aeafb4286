"""Series, baselines, comparisons, nights and findings; documents move out of the rows, compressed."""

from __future__ import annotations

import json
import zlib

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

_TEXTS = (
    "series",
    "segment",
    "origin",
    "scenario",
    "protocol",
    "runtime_version",
    "artifact_sha256",
    "metric",
)
_SORTED = {
    "series": "in_series",
    "device": "on_device",
    "model": "of_model",
    "runtime": "of_runtime",
    "status": "of_status",
}
"""Indexes that lead to the newest results of something."""
_FLOATS = ("value", "low", "high", "between_cv", "energy_j", "accuracy")
_SIZES = ("peak_memory_bytes", "artifact_bytes")
_TABLES = ("finding", "night", "comparison", "baseline", "run_label", "series", "result_document")


def _text(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _time(name: str, *, optional: bool = False) -> sa.Column[float]:
    return sa.Column(name, sa.Float(53), nullable=optional)


def upgrade() -> None:
    """Create the tables and fill the new columns from what is stored."""
    _create()
    for name in _TEXTS:
        op.add_column("result", sa.Column(name, sa.Text, nullable=False, server_default=""))
    op.add_column("result", sa.Column("threads", sa.BigInteger, nullable=False, server_default="0"))
    for name in _FLOATS:
        op.add_column("result", sa.Column(name, sa.Float(53)))
    for name in _SIZES:
        op.add_column("result", sa.Column(name, sa.BigInteger))
    _fill()
    op.drop_index("result_series", "result")
    op.drop_column("result", "document")
    op.create_index("run_state", "run", ["state"])
    op.create_index("result_created", "result", ["created_unix_s"])
    for name, index in _SORTED.items():
        op.create_index(f"result_{index}", "result", [name, "created_unix_s"])
    if op.get_bind().dialect.name == "postgresql":
        for table, column in (("run", "run_id"), ("result", "job_id")):
            ops = {column: "text_pattern_ops"}
            op.create_index(f"{table}_begins", table, [column], postgresql_ops=ops)


def _create() -> None:
    op.create_table(
        "result_document",
        sa.Column("job_id", sa.Text, sa.ForeignKey("result.job_id"), primary_key=True),
        sa.Column("packed", sa.LargeBinary, nullable=False),
    )
    op.create_table(
        "series",
        sa.Column("series", sa.Text, primary_key=True),
        *_text("model", "device", "profile", "format", "runtime", "precision"),
        sa.Column("threads", sa.BigInteger, nullable=False),
        *_text("scenario", "options", "metric", "origin"),
        *(_time("first_unix_s"), _time("last_unix_s")),
        *_text("last_job_id"),
        _time("last_ok_unix_s"),
        *_text("last_ok_job_id"),
    )
    op.create_index("series_device", "series", ["device"])
    op.create_index("series_model", "series", ["model"])
    op.create_index("series_last", "series", ["last_unix_s"])
    op.create_table(
        "run_label",
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), primary_key=True),
        sa.Column("key", sa.Text, primary_key=True),
        *_text("value"),
    )
    op.create_index("run_label_value", "run_label", ["key", "value"])
    op.create_table(
        "baseline",
        sa.Column("baseline_id", sa.Text, primary_key=True),
        *_text("series", "job_id", "artifact_sha256"),
        _time("at_unix_s"),
        *_text("actor", "event", "reason"),
    )
    op.create_index("baseline_series", "baseline", ["series", "at_unix_s"])
    op.create_table(
        "comparison",
        sa.Column("comparison_id", sa.Text, primary_key=True),
        _time("created_unix_s"),
        *_text("kind", "series", "device", "run_id", "word"),
        *(_time(name, optional=True) for name in ("effect", "low", "high")),
        sa.Column("pairs", sa.BigInteger, nullable=False),
        *_text("origin", "record"),
    )
    op.create_index("comparison_created", "comparison", ["created_unix_s"])
    op.create_index("comparison_series", "comparison", ["series", "created_unix_s"])
    op.create_index("comparison_kind", "comparison", ["kind", "created_unix_s"])
    op.create_index("comparison_run", "comparison", ["run_id"])
    op.create_table(
        "night",
        sa.Column("night_id", sa.Text, primary_key=True),
        *(_time("started_unix_s"), _time("ended_unix_s", optional=True)),
        *_text("state", "origin", "record"),
    )
    op.create_index("night_started", "night", ["started_unix_s"])
    op.create_table(
        "finding",
        sa.Column("finding_id", sa.Text, primary_key=True),
        *_text("night_id", "series", "device", "model"),
        _time("at_unix_s"),
        *_text("word"),
        _time("effect", optional=True),
        *_text("state", "origin", "record"),
    )
    op.create_index("finding_at", "finding", ["at_unix_s"])
    op.create_index("finding_series", "finding", ["series", "at_unix_s"])
    op.create_index("finding_state", "finding", ["state", "at_unix_s"])
    op.create_index("finding_night", "finding", ["night_id"])


def _fill() -> None:
    """The new columns of old results, their series and the labels of their runs."""
    from farm_agent import codec
    from farm_results.history.standing import note_result
    from farm_results.model import Result, Run
    from farm_results.storage.columns import columns_of, pack_document
    from farm_results.storage.schema import DOCUMENT, RESULT, RUN_LABEL

    connection = op.get_bind()
    wanted = (*_TEXTS, "threads", *_FLOATS, *_SIZES, "record")  # a later farm has more columns than this step
    ids = [row[0] for row in connection.execute(sa.text("SELECT job_id FROM result ORDER BY created_unix_s"))]
    old = sa.text("SELECT record, document FROM result WHERE job_id = :job")
    for job in ids:
        record, document = connection.execute(old, {"job": job}).one()
        result = codec.decode(Result, json.loads(record) | {"document": json.loads(document)})
        row = columns_of(result)
        values = {name: row[name] for name in wanted}
        connection.execute(RESULT.update().where(RESULT.c.job_id == result.job_id).values(values))
        connection.execute(DOCUMENT.insert().values(job_id=result.job_id, packed=pack_document(result)))
        note_result(connection, result)
    for (record,) in connection.execute(sa.text("SELECT record FROM run")).all():
        run = codec.loads(Run, record)
        for key, value in run.labels.items():
            connection.execute(RUN_LABEL.insert().values(run_id=run.run_id, key=key, value=value))


def downgrade() -> None:
    """Put the documents back into their rows; series follow from the results, the rest is lost."""
    connection = op.get_bind()
    op.add_column("result", sa.Column("document", sa.Text, nullable=False, server_default="{}"))
    put = sa.text("UPDATE result SET document = :document WHERE job_id = :job")
    for job, packed in connection.execute(sa.text("SELECT job_id, packed FROM result_document")).all():
        connection.execute(put, {"job": job, "document": zlib.decompress(packed).decode()})
    for name in ("created", *_SORTED.values()):
        op.drop_index(f"result_{name}", "result")
    op.drop_index("run_state", "run")
    if connection.dialect.name == "postgresql":
        op.drop_index("run_begins", "run")
        op.drop_index("result_begins", "result")
    for name in (*_TEXTS, "threads", *_FLOATS, *_SIZES):
        op.drop_column("result", name)
    op.create_index("result_series", "result", ["model", "device", "runtime", "precision", "created_unix_s"])
    for name in _TABLES:
        op.drop_table(name)
