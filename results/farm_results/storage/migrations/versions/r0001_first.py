"""Runs, results and leases."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create the first tables. Types are spelled out: a revision does not follow later code."""
    op.create_table(
        "run",
        sa.Column("run_id", sa.Text, primary_key=True),
        sa.Column("created_unix_s", sa.Float(53), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("run_created", "run", ["created_unix_s"])
    texts = ("model", "model_sha256", "device", "profile", "format", "runtime", "precision", "status")
    op.create_table(
        "result",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("created_unix_s", sa.Float(53), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in texts),
        sa.Column("error_code", sa.Text, nullable=False),
        sa.Column("verdict", sa.Text, nullable=False),
        sa.Column("p50_ns", sa.Float(53)),
        sa.Column("record", sa.Text, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
    )
    op.create_index("result_run", "result", ["run_id"])
    series = ["model", "device", "runtime", "precision", "created_unix_s"]
    op.create_index("result_series", "result", series)
    op.create_table(
        "lease",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("serial", sa.BigInteger, nullable=False),
        sa.Column("fence", sa.BigInteger, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("expires_unix_s", sa.Float(53), nullable=False),
    )
    op.create_table(
        "leased_job",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("job_id", sa.Text, primary_key=True),
    )
