"""What a farm knows of its devices: health, reservations, who waits, jobs under way, and an audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create the tables of devices and jobs."""
    op.create_table(
        "device_health",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("health", sa.Text, nullable=False),
        sa.Column("since_unix_s", sa.Float(53), nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("strikes", sa.BigInteger, nullable=False),
        sa.Column("until_unix_s", sa.Float(53), nullable=False),
        sa.Column("seen_unix_s", sa.Float(53), nullable=False),
        sa.Column("checked_unix_s", sa.Float(53), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_table(
        "reservation",
        sa.Column("device", sa.Text, primary_key=True),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("since_unix_s", sa.Float(53), nullable=False),
        sa.Column("until_unix_s", sa.Float(53)),
    )
    op.create_table(
        "waiting",
        sa.Column("ticket", sa.Text, primary_key=True),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("job_id", sa.Text, nullable=False),
        sa.Column("holder", sa.Text, nullable=False),
        sa.Column("owner", sa.Text, nullable=False),
        sa.Column("priority", sa.BigInteger, nullable=False),
        sa.Column("since_unix_s", sa.Float(53), nullable=False),
        sa.Column("expires_unix_s", sa.Float(53), nullable=False),
    )
    op.create_index("waiting_device", "waiting", ["device"])
    op.create_table(
        "job",
        sa.Column("job_id", sa.Text, primary_key=True),
        sa.Column("run_id", sa.Text, sa.ForeignKey("run.run_id"), nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("state", sa.Text, nullable=False),
        sa.Column("changed_unix_s", sa.Float(53), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
    )
    op.create_index("job_device", "job", ["device", "state"])
    op.create_table(
        "audit",
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
        sa.Column("at_unix_s", sa.Float(53), nullable=False),
        sa.Column("device", sa.Text, nullable=False),
        sa.Column("actor", sa.Text, nullable=False),
        sa.Column("event", sa.Text, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
    )
    op.create_index("audit_device", "audit", ["device", "at_unix_s"])


def downgrade() -> None:
    """Drop them; what they hold is lost."""
    for name in ("audit", "job", "waiting", "reservation", "device_health"):
        op.drop_table(name)
