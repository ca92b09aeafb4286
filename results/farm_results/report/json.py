"""Everything the store knows, as strict JSON (``farm.results/1``)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from typing import Any

from farm_agent import codec
from farm_results import layers
from farm_results.model import Latency, Result
from farm_results.statistics.stats import minimum_count
from farm_results.statistics.summary import PERCENTILES
from farm_results.storage.columns import document_text

SUFFIX = "json"
SCHEMA = "farm.results/1"
_NAMES = tuple(field.name for field in fields(Result) if field.name != "document")
_STRICT: dict[str, Any] = {"sort_keys": True, "separators": (",", ":"), "allow_nan": False}


def render(results: Sequence[Result]) -> str:
    """A document ``{"results", "schema"}``, a result on a line. NaN and infinity, which JSON does not have,
    become null."""
    return "".join(parts([results], ()))


def parts(batches: Iterable[Sequence[Result]], metrics: Sequence[str]) -> Iterator[str]:  # noqa: ARG001
    """The same a part at a time, of results that do not fit into memory together; at least one."""
    mark = '{"results":[\n'
    for results in batches:
        for result in results:
            yield mark + _line(result)
            mark = ",\n"
    yield f'{"" if mark.startswith(",") else mark}\n],"schema":"{SCHEMA}"}}\n'


def _line(result: Result) -> str:
    """A result; its document goes as it lies in the store, which takes a third of the time."""
    text = document_text(result)
    if "NaN" in text or "Infinity" in text:
        return json.dumps(_record(result), **_STRICT)
    try:
        record = json.dumps(_without_document(result), default=codec.encode, **_STRICT)
    except ValueError:
        return json.dumps(_record(result), **_STRICT)
    return f'{record[:-1]},"document":{text}}}'


def document_of(results: Sequence[Result]) -> dict[str, Any]:
    """The document as plain values."""
    return {"schema": SCHEMA, "results": [_record(result) for result in results]}


def _record(result: Result) -> dict[str, Any]:
    values = {**_without_document(result), "document": result.document}
    record: dict[str, Any] = _finite(codec.encode(values))
    return record


def _without_document(result: Result) -> dict[str, Any]:
    record = {name: getattr(result, name) for name in _NAMES}
    if result.latency is not None:
        record["latency"] = codec.encode(result.latency)
        record["latency"]["not_estimable"] = _not_estimable(result.latency)
        if result.scenario != "latency":
            # Another scenario's times under its own name: nobody takes them for a closed loop's.
            record[f"{result.scenario.replace('-', '_')}_latency"] = record["latency"]
            record["latency"] = None
    record["layers"] = layers.summary(result)
    return record


def _not_estimable(latency: Latency) -> dict[str, str]:
    """Why a number of the summary is null."""
    why = {
        name: f"needs {minimum_count(share)} samples, has {latency.count}"
        for name, share in ((f"{word}_ns", share) for word, share in PERCENTILES.items())
        if getattr(latency, name) is None and latency.count < minimum_count(share)
    }
    if latency.p50_low_ns is None:
        why["p50_low_ns"] = why["p50_high_ns"] = "needs 6 samples in every process"
    if latency.between_block_spread is None:
        why["between_block_spread"] = why["between_cv"] = "needs two processes"
    return why


def _finite(value: Any) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list) else value
