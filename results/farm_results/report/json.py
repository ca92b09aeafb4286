"""Everything the store knows, as strict JSON (``farm.results/1``)."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from farm_agent import codec
from farm_results import layers
from farm_results.model import Latency, Result
from farm_results.statistics.stats import minimum_count
from farm_results.statistics.summary import PERCENTILES

SUFFIX = "json"
SCHEMA = "farm.results/1"


def render(results: Sequence[Result]) -> str:
    """A document ``{"schema", "results"}``. NaN and infinity, which JSON does not have, become null."""
    return json.dumps(document_of(results), indent=2, sort_keys=True, allow_nan=False) + "\n"


def parts(batches: Iterable[Sequence[Result]], metrics: Sequence[str]) -> Iterator[str]:  # noqa: ARG001
    """The same a part at a time, of results that do not fit into memory together; at least one."""
    mark = '{\n  "results": [\n'
    for results in batches:
        for result in results:
            text = json.dumps(_record(result), indent=2, sort_keys=True, allow_nan=False)
            yield mark + "    " + text.replace("\n", "\n    ")
            mark = ",\n"
    yield f'\n  ],\n  "schema": "{SCHEMA}"\n}}\n'


def document_of(results: Sequence[Result]) -> dict[str, Any]:
    """The document as plain values."""
    return {"schema": SCHEMA, "results": [_record(result) for result in results]}


def _record(result: Result) -> dict[str, Any]:
    record: dict[str, Any] = _finite(codec.encode(result))
    if result.latency is not None:
        record["latency"]["not_estimable"] = _not_estimable(result.latency)
        if result.scenario != "latency":
            # Another scenario's times under its own name: nobody takes them for a closed loop's.
            record[f"{result.scenario.replace('-', '_')}_latency"] = record["latency"]
            record["latency"] = None
    record["layers"] = _finite(layers.summary(result))
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
