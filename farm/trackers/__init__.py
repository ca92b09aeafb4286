"""Experiment trackers that take results; one file per tracker, listed without importing any.

A file provides ``push(results, *, project, uri) -> Pushed``: a run of the tracker for each result, with the
summary's numbers, what they were measured on, and the verdict. Raw samples never leave the store. Pushing the
same results again changes nothing.
"""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from farm.errors import UsageError
from farm_results.model import Result
from farm_results.report.figures import figures, marks_of
from farm_results.text import printable

PROJECT = "farm"
VALUE_LIMIT = 500


@dataclass(frozen=True)
class Pushed:
    """``new``: runs that were added, ``known``: those that were there already, ``where``: the place of them,
    without any password."""

    new: int
    known: int
    where: str


def names() -> tuple[str, ...]:
    """Every tracker, without importing any."""
    return tuple(sorted(module.name for module in pkgutil.iter_modules(__path__)))


def push(name: str, results: Sequence[Result], *, project: str = PROJECT, uri: str = "") -> Pushed:
    """Push every result that was tried. Raises UsageError tracker.unknown, tracker.missing;
    InfrastructureError tracker.failed."""
    if name not in names():
        raise UsageError(
            f"no tracker is called {name!r}", code="tracker.unknown", fix=f"use one of: {', '.join(names())}"
        )
    tracker: Any = importlib.import_module(f"farm.trackers.{name}")
    tried = [result for result in results if result.status != "skipped"]
    pushed: Pushed = tracker.push(tried, project=project, uri=uri)
    return pushed


def missing(module: str, extra: str) -> UsageError:
    """A tracker whose package is not installed."""
    return UsageError(
        f"{module} is not installed", code="tracker.missing", fix=f"pip install 'edgefarm[{extra}]'"
    )


def key_of(result: Result) -> str:
    """The name of a result in a tracker: always the same, and safe in its queries."""
    return hashlib.sha256(
        f"{result.run_id}\n{result.job_id}".encode("utf-8", "backslashreplace")
    ).hexdigest()[:24]


def parameters(result: Result) -> dict[str, str]:
    """What was measured, how and on what: everything beside the numbers."""
    from farm_results.environment import surroundings, toolchain

    words = {
        **{name: getattr(result, name) for name in ("model", "model_sha256", "device", "profile", "format")},
        **{name: getattr(result, name) for name in ("runtime", "runtime_version", "precision")},
        **{name: getattr(result, name) for name in ("executed_precision", "scenario", "protocol", "harness")},
        "threads": str(result.threads),
        "artifact_sha256": result.artifact_sha256,
        "calibration": result.calibration,
    }
    words |= {f"option.{name}": value for name, value in result.options.items()}
    words |= {f"device.{name}": value for name, value in surroundings(result).items()}
    words |= {f"toolchain.{name}": value for name, value in toolchain(result).items()}
    return {_key(name): printable(value, VALUE_LIMIT) for name, value in sorted(words.items()) if value}


def tags(result: Result) -> dict[str, str]:
    """What says whether the numbers may be believed, and where the whole of them is."""
    reasons = "; ".join(caveat.evidence for caveat in result.verdict.caveats if caveat.severity != "note")
    words = {
        "farm.key": key_of(result),
        "farm.run_id": result.run_id,
        "farm.job_id": result.job_id,
        "farm.verdict": marks_of(result),
        "farm.origin": result.origin or "measured",
        "farm.reasons": reasons,
        "farm.error": f"{result.error_code}: {result.error_message}" if result.status == "failed" else "",
    }
    return {name: printable(value, VALUE_LIMIT) for name, value in words.items() if value}


def numbers(result: Result) -> Iterator[tuple[str, float]]:
    """The summary's numbers with their units and intervals; none of a result that may not be used."""
    for figure in figures(result):
        unit = figure.unit.replace("1/s", "per_s")
        for side, value in (("", figure.value), ("_low", figure.low), ("_high", figure.high)):
            if value is not None:
                yield _key(f"{figure.name}{side}" + (f"_{unit}" if unit else "")).replace(" ", "_"), value


def _key(name: str) -> str:
    """Letters that every tracker takes in a name."""
    return re.sub(r"[^A-Za-z0-9_./ -]", "_", name)[:120]
