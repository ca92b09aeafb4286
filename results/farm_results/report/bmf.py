"""Bencher Metric Format: ``bencher run --adapter json --file bmf.json``.

{benchmark: {measure: {value, lower_value, upper_value}}}. The format has no place for a verdict, so each
benchmark has a measure ``noisy``: 1 where its numbers are, 0 where they are not.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.figures import Figure, figures, name_of

SUFFIX = "json"
USABLE_ONLY = True
_MEASURES = {"p50": "latency", "artifact size": "file-size"}
_FACTORS = {"ms": 1e6, "MB": 1e6}
"""Bencher's own measures count nanoseconds and bytes."""


def render(results: Sequence[Result]) -> str:
    """Results that may not be used are left out; of a series measured twice the newest stands."""
    document: dict[str, dict[str, dict[str, float]]] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        found = figures(result)
        if found:
            measures = {_measure(figure): _metric(figure) for figure in found}
            measures["noisy"] = {"value": float(result.verdict.word == "noisy")}
            document[name_of(result)] = measures
    return json.dumps(document, indent=2, allow_nan=False) + "\n"


def _measure(figure: Figure) -> str:
    return _MEASURES.get(figure.name, figure.name).replace(" ", "-")


def _metric(figure: Figure) -> dict[str, float]:
    factor = _FACTORS.get(figure.unit, 1.0)
    numbers = {"value": figure.value, "lower_value": figure.low, "upper_value": figure.high}
    return {name: value * factor for name, value in numbers.items() if value is not None}
