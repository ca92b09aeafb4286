"""github-action-benchmark's ``customSmallerIsBetter``: a list of {name, unit, value, range, extra}.

A file of that tool has one direction, so what is better when it is higher (throughput, accuracy) is left out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from farm_results.model import Result
from farm_results.report.figures import Figure, figures, marks_of, name_of
from farm_results.series import LOWER
from farm_results.text import number, printable

SUFFIX = "json"
USABLE_ONLY = True


def render(results: Sequence[Result]) -> str:
    """Results that may not be used are left out; of a series measured twice the newest stands."""
    entries: dict[str, dict[str, str | float]] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        for figure in figures(result):
            if figure.better == LOWER:
                name = f"{name_of(result)}: {figure.name}"
                entries[name] = _entry(name, figure, result)
    return json.dumps(list(entries.values()), indent=2, allow_nan=False) + "\n"


def _entry(name: str, figure: Figure, result: Result) -> dict[str, str | float]:
    entry: dict[str, str | float] = {"name": name, "unit": figure.unit, "value": figure.value}
    if figure.low is not None and figure.high is not None:
        entry["range"] = f"± {number((figure.high - figure.low) / 2)}"
    about = [
        f"verdict: {marks_of(result)}",
        f"run: {printable(result.run_id)}",
        f"job: {printable(result.job_id)}",
    ]
    about += [f"{printable(result.runtime)} {printable(result.runtime_version)}"]
    return entry | {"extra": "\n".join(about)}
