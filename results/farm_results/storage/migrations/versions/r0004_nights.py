"""Nights say in brief how many of their cells were what: a list of nights reads no records."""

from __future__ import annotations

import json
from typing import Literal

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_COLUMNS = ("night_id", "started_unix_s", "ended_unix_s", "state", "origin", "brief", "record")


def upgrade() -> None:
    """Add the column before the record, behind which SQLite finds nothing without reading all of it."""
    from farm_results.history.nights import brief_of

    connection = op.get_bind()
    rebuild: Literal["always", "never"] = "always" if connection.dialect.name == "sqlite" else "never"
    with op.batch_alter_table("night", recreate=rebuild, partial_reordering=[_COLUMNS]) as batch:
        batch.add_column(sa.Column("brief", sa.Text, nullable=False, server_default="{}"))
    ids = [row[0] for row in connection.execute(sa.text("SELECT night_id FROM night"))]
    old = sa.text("SELECT record FROM night WHERE night_id = :night")
    put = sa.text("UPDATE night SET brief = :brief WHERE night_id = :night")
    for night in ids:
        record = json.loads(connection.execute(old, {"night": night}).scalar_one())
        connection.execute(put, {"night": night, "brief": brief_of(record["record"])})


def downgrade() -> None:
    """It follows from the record."""
    op.drop_column("night", "brief")
