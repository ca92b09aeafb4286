"""The store's tables. Columns are what queries ask for; the whole of a result is its ``record``.

``record`` and ``document`` are JSON texts of our own codec, so that a new optional field of ``Result``
needs no migration, and a NaN or a NUL comes back as it went in on every database.
"""

from __future__ import annotations

import re

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
)
from sqlalchemy.types import TypeDecorator

# PostgreSQL refuses NUL in text, and no database encodes a lone surrogate (a file name that is not UTF-8).
_AWKWARD = re.compile("[\\\\\x00\ud800-\udfff]")
_ESCAPED = re.compile(r"\\(u[0-9a-f]{4}|\\)")


def escape(text: str) -> str:
    """Spell NUL, lone surrogates and the backslash in plain characters; ``unescape`` undoes it exactly."""
    return _AWKWARD.sub(lambda hit: "\\\\" if hit[0] == "\\" else f"\\u{ord(hit[0]):04x}", text)


def unescape(text: str) -> str:
    """The string that ``escape`` was given."""
    return _ESCAPED.sub(lambda hit: "\\" if hit[1] == "\\" else chr(int(hit[1][1:], 16)), text)


class Verbatim(TypeDecorator[str]):
    """Text that may hold any Python string."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else escape(value)

    def process_result_value(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else unescape(value)


METADATA = MetaData()

RUN = Table(
    "run",
    METADATA,
    Column("run_id", Verbatim, primary_key=True),
    Column("created_unix_s", Float(53), nullable=False),
    Column("state", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index("run_created", "created_unix_s"),
)

RESULT = Table(
    "result",
    METADATA,
    Column("job_id", Verbatim, primary_key=True),
    Column("run_id", Verbatim, ForeignKey("run.run_id"), nullable=False),
    Column("created_unix_s", Float(53), nullable=False),
    Column("model", Verbatim, nullable=False),
    Column("model_sha256", Verbatim, nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("profile", Verbatim, nullable=False),
    Column("format", Verbatim, nullable=False),
    Column("runtime", Verbatim, nullable=False),
    Column("precision", Verbatim, nullable=False),
    Column("status", Text, nullable=False),
    Column("error_code", Verbatim, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("p50_ns", Float(53)),
    Column("record", Text, nullable=False),
    Column("document", Text, nullable=False),
    Index("result_run", "run_id"),
    Index("result_series", "model", "device", "runtime", "precision", "created_unix_s"),
)

LEASE = Table(
    "lease",
    METADATA,
    Column("device", Verbatim, primary_key=True),
    Column("serial", BigInteger, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("job_id", Verbatim, nullable=False),
    Column("holder", Verbatim, nullable=False),
    Column("expires_unix_s", Float(53), nullable=False),
)

LEASED_JOB = Table(
    "leased_job",
    METADATA,
    Column("device", Verbatim, primary_key=True),
    Column("job_id", Verbatim, primary_key=True),
)
"""Every job that a lease of this store was ever taken for: what a later driver may stop on a device."""

DEVICE_HEALTH = Table(
    "device_health",
    METADATA,
    Column("device", Verbatim, primary_key=True),
    Column("health", Text, nullable=False),
    Column("since_unix_s", Float(53), nullable=False),
    Column("reason", Verbatim, nullable=False),
    Column("strikes", BigInteger, nullable=False),
    Column("until_unix_s", Float(53), nullable=False),
    Column("seen_unix_s", Float(53), nullable=False),
    Column("checked_unix_s", Float(53), nullable=False),
    Column("record", Text, nullable=False),
)
"""How a device is (``farm.health``). ``until``: end of a quarantine; ``seen``: the last answer; ``checked``:
the last canary; 0 where there was none. ``record``: facts and canary numbers to compare with."""

RESERVATION = Table(
    "reservation",
    METADATA,
    Column("device", Verbatim, primary_key=True),
    Column("owner", Verbatim, nullable=False),
    Column("reason", Verbatim, nullable=False),
    Column("since_unix_s", Float(53), nullable=False),
    Column("until_unix_s", Float(53)),
)
"""A device that only ``owner`` may lease; ``until`` NULL: until it is unlocked."""

WAITING = Table(
    "waiting",
    METADATA,
    Column("ticket", Verbatim, primary_key=True),
    Column("device", Verbatim, nullable=False),
    Column("job_id", Verbatim, nullable=False),
    Column("holder", Verbatim, nullable=False),
    Column("owner", Verbatim, nullable=False),
    Column("priority", BigInteger, nullable=False),
    Column("since_unix_s", Float(53), nullable=False),
    Column("expires_unix_s", Float(53), nullable=False),
    Index("waiting_device", "device"),
)
"""Who waits for a device: the highest priority first, then the oldest; a waiter prolongs its row."""

JOB = Table(
    "job",
    METADATA,
    Column("job_id", Verbatim, primary_key=True),
    Column("run_id", Verbatim, ForeignKey("run.run_id"), nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("state", Text, nullable=False),
    Column("changed_unix_s", Float(53), nullable=False),
    Column("record", Text, nullable=False),
    Index("job_device", "device", "state"),
)
"""Jobs whose result is not stored yet: what another driver needs to bring one to its end."""

AUDIT = Table(
    "audit",
    METADATA,
    Column("number", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at_unix_s", Float(53), nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("actor", Verbatim, nullable=False),
    Column("event", Text, nullable=False),
    Column("reason", Verbatim, nullable=False),
    Index("audit_device", "device", "at_unix_s"),
)
"""What was done to a device, by whom and why; rows are only ever added."""
