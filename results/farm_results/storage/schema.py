"""The store's tables. Columns are what queries ask for; the whole of a result is its ``record``.

``record`` and ``document`` are JSON texts of our own codec, so that a new optional field of ``Result``
needs no migration, and a NaN or a NUL comes back as it went in on every database.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from sqlalchemy import (
    BigInteger,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
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
    """Text that may hold any Python string: also what a person asks for may be one."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002
        return None if value is None else escape(value)

    def result_processor(self, dialect: Dialect, coltype: object) -> Callable[[str | None], str | None]:  # noqa: ARG002
        """Without the layers between: pages read a hundred thousand of these, nearly none of them escaped."""
        return _read


def _read(value: str | None) -> str | None:
    return value if value is None or "\\" not in value else unescape(value)


METADATA = MetaData()


def _by_prefix(name: str, column: str) -> Index:
    """What finds the beginning of an id on PostgreSQL, whose usual index follows the database's language."""
    return Index(name, column, postgresql_ops={column: "text_pattern_ops"}).ddl_if(dialect="postgresql")


_POINT = (
    *("series", "created_unix_s", "job_id", "run_id", "status", "verdict", "value", "low", "high"),
    *("between_cv", "segment", "model_sha256", "artifact_sha256", "runtime_version", "energy_j"),
    *("peak_memory_bytes", "accuracy", "origin"),
)
"""All that a ``Point`` needs, in its order: a series' rows lie one on each page of a year's table."""

RUN = Table(
    "run",
    METADATA,
    Column("run_id", Verbatim, primary_key=True),
    Column("created_unix_s", Float(53), nullable=False),
    Column("state", Verbatim, nullable=False),
    Column("record", Text, nullable=False),
    Index("run_created", "created_unix_s"),
    Index("run_state", "state"),
    _by_prefix("run_begins", "run_id"),
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
    Column("status", Verbatim, nullable=False),
    Column("error_code", Verbatim, nullable=False),
    Column("verdict", Verbatim, nullable=False),
    Column("p50_ns", Float(53)),
    Column("series", Verbatim, nullable=False),
    Column("segment", Verbatim, nullable=False),
    Column("origin", Verbatim, nullable=False),
    Column("scenario", Verbatim, nullable=False),
    Column("protocol", Verbatim, nullable=False),
    Column("threads", BigInteger, nullable=False),
    Column("runtime_version", Verbatim, nullable=False),
    Column("artifact_sha256", Verbatim, nullable=False),
    Column("metric", Verbatim, nullable=False),
    Column("value", Float(53)),
    Column("low", Float(53)),
    Column("high", Float(53)),
    Column("between_cv", Float(53)),
    Column("peak_memory_bytes", BigInteger),
    Column("energy_j", Float(53)),
    Column("accuracy", Float(53)),
    Column("artifact_bytes", BigInteger),
    Column("record", Text, nullable=False),
    Index("result_run", "run_id"),
    _by_prefix("result_begins", "job_id"),
    Index("result_created", "created_unix_s"),
    Index("result_points", *_POINT),
    Index("result_on_device", "device", "created_unix_s"),
    Index("result_of_model", "model", "created_unix_s"),
    Index("result_of_runtime", "runtime", "created_unix_s"),
    Index("result_of_status", "status", "created_unix_s"),
)
"""``series``: ``series.series_id``; ``segment``: ``environment.segment_id``; ``metric``, ``value`` and
its 95 % interval: the series' own number (``series.number_of``); ``origin``: "" or simulated."""

DOCUMENT = Table(
    "result_document",
    METADATA,
    Column("job_id", Verbatim, ForeignKey("result.job_id"), primary_key=True),
    Column("packed", LargeBinary, nullable=False),
)
"""The document of a result: JSON, compressed by zlib. Apart, so that reading many rows stays cheap."""

SERIES = Table(
    "series",
    METADATA,
    Column("series", Verbatim, primary_key=True),
    Column("model", Verbatim, nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("profile", Verbatim, nullable=False),
    Column("format", Verbatim, nullable=False),
    Column("runtime", Verbatim, nullable=False),
    Column("precision", Verbatim, nullable=False),
    Column("threads", BigInteger, nullable=False),
    Column("scenario", Verbatim, nullable=False),
    Column("options", Verbatim, nullable=False),
    Column("metric", Verbatim, nullable=False),
    Column("origin", Verbatim, nullable=False),
    Column("first_unix_s", Float(53), nullable=False),
    Column("last_unix_s", Float(53), nullable=False),
    Column("last_job_id", Verbatim, nullable=False),
    Column("last_ok_unix_s", Float(53), nullable=False),
    Column("last_ok_job_id", Verbatim, nullable=False),
    Index("series_device", "device"),
    Index("series_model", "model"),
    Index("series_last", "last_unix_s"),
)
"""What is measured again and again, with its newest result and its newest ok one ("" and 0 without)."""

RUN_LABEL = Table(
    "run_label",
    METADATA,
    Column("run_id", Verbatim, ForeignKey("run.run_id"), primary_key=True),
    Column("key", Verbatim, primary_key=True),
    Column("value", Verbatim, nullable=False),
    Index("run_label_value", "key", "value"),
)

BASELINE = Table(
    "baseline",
    METADATA,
    Column("baseline_id", Verbatim, primary_key=True),
    Column("series", Verbatim, nullable=False),
    Column("job_id", Verbatim, nullable=False),
    Column("artifact_sha256", Verbatim, nullable=False),
    Column("at_unix_s", Float(53), nullable=False),
    Column("actor", Verbatim, nullable=False),
    Column("event", Verbatim, nullable=False),
    Column("reason", Verbatim, nullable=False),
    Index("baseline_series", "series", "at_unix_s"),
)
"""Which result a series is held against: the newest row of the series. Rows are only ever added."""

COMPARISON = Table(
    "comparison",
    METADATA,
    Column("comparison_id", Verbatim, primary_key=True),
    Column("created_unix_s", Float(53), nullable=False),
    Column("kind", Verbatim, nullable=False),
    Column("series", Verbatim, nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("run_id", Verbatim, nullable=False),
    Column("word", Verbatim, nullable=False),
    Column("effect", Float(53)),
    Column("low", Float(53)),
    Column("high", Float(53)),
    Column("pairs", BigInteger, nullable=False),
    Column("origin", Verbatim, nullable=False),
    Column("record", Text, nullable=False),
    Index("comparison_created", "created_unix_s"),
    Index("comparison_series", "series", "created_unix_s"),
    Index("comparison_kind", "kind", "created_unix_s"),
    Index("comparison_run", "run_id"),
)
"""Two artifacts measured in turns on one device (``comparison.Comparison``); kind ab, or aa for one artifact
against itself."""

NIGHT = Table(
    "night",
    METADATA,
    Column("night_id", Verbatim, primary_key=True),
    Column("started_unix_s", Float(53), nullable=False),
    Column("ended_unix_s", Float(53)),
    Column("state", Verbatim, nullable=False),
    Column("origin", Verbatim, nullable=False),
    Column("brief", Text, nullable=False),
    Column("record", Text, nullable=False),
    Index("night_started", "started_unix_s"),
)
"""One ``farm nightly run``: what it planned, did, skipped and why; state running, done or interrupted.
``brief``: JSON, how many of its cells were what, so that many nights are listed without their records, which
are a megabyte each where fifty devices measure."""

FINDING = Table(
    "finding",
    METADATA,
    Column("finding_id", Verbatim, primary_key=True),
    Column("night_id", Verbatim, nullable=False),
    Column("series", Verbatim, nullable=False),
    Column("device", Verbatim, nullable=False),
    Column("model", Verbatim, nullable=False),
    Column("at_unix_s", Float(53), nullable=False),
    Column("word", Verbatim, nullable=False),
    Column("effect", Float(53)),
    Column("state", Verbatim, nullable=False),
    Column("origin", Verbatim, nullable=False),
    Column("record", Text, nullable=False),
    Index("finding_at", "at_unix_s"),
    Index("finding_series", "series", "at_unix_s"),
    Index("finding_state", "state", "at_unix_s"),
    Index("finding_night", "night_id"),
)
"""What a night found of a series (``finding.Finding``) and what people made of it."""

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
    Column("health", Verbatim, nullable=False),
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
    Column("state", Verbatim, nullable=False),
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
    Column("event", Verbatim, nullable=False),
    Column("reason", Verbatim, nullable=False),
    Index("audit_device", "device", "at_unix_s"),
)
"""What was done to a device, by whom and why; rows are only ever added."""
