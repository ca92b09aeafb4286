"""What the store keeps of a result beside its record: the columns that queries ask for, and its series."""

from __future__ import annotations

import hashlib
import json
import math
import zlib
from dataclasses import replace
from typing import Any

from farm_agent import codec
from farm_results.energy.place import headline
from farm_results.environment import segment_id
from farm_results.model import Result
from farm_results.series import key_of, number_of, series_id
from farm_results.storage.document import Document

_PLAIN = (
    *(
        "job_id",
        "run_id",
        "created_unix_s",
        "model",
        "model_sha256",
        "device",
        "profile",
        "format",
        "runtime",
    ),
    *("precision", "status", "error_code", "scenario", "protocol", "threads", "runtime_version", "origin"),
    *("artifact_sha256", "artifact_bytes", "peak_memory_bytes", "accuracy"),
)

LONGEST = {
    "verdict": 40,
    "model_sha256": 64,
    "artifact_sha256": 64,
    "runtime_version": 100,
    "origin": 40,
}
"""What is longer is cut in its column, and whole in the record: PostgreSQL refuses long rows of an index."""


def columns_of(result: Result) -> dict[str, Any]:
    """One row of the table ``result``."""
    record = codec.encode(replace(result, document={}))
    del record["document"]
    number, latency = number_of(result), result.latency
    derived = {
        "verdict": result.verdict.word,
        "p50_ns": None if latency is None else latency.p50_ns,
        "between_cv": None if latency is None else latency.between_cv,
        "series": series_id(key_of(result)),
        "segment": segment_id(result),
        "metric": number.metric,
        "value": number.value,
        "low": number.low,
        "high": number.high,
        "energy_j": energy_of(result),
        "record": codec.dumps(record),
    }
    row = {name: record[name] for name in _PLAIN} | derived
    row |= {name: row[name][:most] for name, most in LONGEST.items()}
    # What is no number is missing: one database keeps a NaN, the other does not.
    return {name: None if isinstance(x, float) and math.isnan(x) else x for name, x in row.items()}


def series_columns_of(result: Result) -> dict[str, Any]:
    """One row of the table ``series``, as if this were its only result."""
    key, ok = key_of(result), result.status == "ok"
    return {
        "series": series_id(key),
        **{name: getattr(key, name) for name in ("model", "device", "profile", "format", "runtime")},
        **{name: getattr(key, name) for name in ("precision", "threads", "scenario", "origin")},
        "options": json.dumps(dict(key.options), sort_keys=True),
        "metric": number_of(result).metric,
        "first_unix_s": result.created_unix_s,
        "last_unix_s": result.created_unix_s,
        "last_job_id": result.job_id,
        "last_ok_unix_s": result.created_unix_s if ok else 0.0,
        "last_ok_job_id": result.job_id if ok else "",
    }


def energy_of(result: Result) -> float | None:
    """Energy per inference in joules, gross, by the headline's sensor."""
    best = headline(result.energy)
    return None if best is None else best.gross_j


def pack_document(result: Result, record: str = "") -> bytes:
    """The document as it lies in the store: ``document.Document`` reads it. Behind it the sha256 of the row's
    ``record``, where that is told: no database notices by itself when a digit of it becomes another."""
    packed = zlib.compress(document_text(result).encode(), 6)
    return packed + hashlib.sha256(record.encode()).digest() if record else packed


def is_sealed(record: str, packed: bytes) -> bool:
    """Whether the record is the one that was stored with this document; True where nothing tells."""
    reader = zlib.decompressobj()
    reader.decompress(packed)
    return reader.unused_data in (b"", hashlib.sha256(record.encode()).digest())


def document_text(result: Result) -> str:
    """The document as canonical JSON, where NaN and infinities may stand."""
    known = result.document
    return known.text if isinstance(known, Document) else codec.dumps(dict(known))
