"""What a study leaves in a folder: the best configuration, the picture of the front, all numbers as JSON."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.config import Config
from farm.errors import InfrastructureError
from farm.tune import best, plot, report
from farm.tune.best import DevicePart, MeasuredPart
from farm.tune.report import Report, Row
from farm.tune.score import Value

if TYPE_CHECKING:
    from farm.tune.engine import Outcome, Wish
    from farm_results.model import Result

SCHEMA = "farm.tune/1"
UNITS = {
    "latency": "latency_ns",
    "p99": "p99_ns",
    "throughput": "throughput_per_s",
    "energy": "energy_j",
    "size": "size_bytes",
    "memory": "memory_bytes",
}


def write_all(outcome: Outcome, wish: Wish, folder: Path, config: Config) -> list[Path]:
    """``tune.json``, and per device ``best.toml`` and ``front.svg``, with the device's name where there are
    several. Raises InfrastructureError host.not-writable."""
    several = len(outcome.reports) > 1
    written: list[Path] = []
    for one in outcome.reports:
        suffix = f"-{one.space.device.name}" if several else ""
        path = folder / f"best{suffix}.toml"
        if one.best is not None:
            written.append(best.write(best_of(outcome, wish, one, one.best, config), path))
        else:
            without(path)
        title = f"{outcome.model.name} on {one.space.device.name}"
        picture = plot.svg(title, one.rows, wish.objectives, wish.constraints)
        written.append(_put(folder / f"front{suffix}.svg", picture))
    text = json.dumps(document(outcome, wish), indent=2, allow_nan=False) + "\n"
    return [*written, _put(folder / "tune.json", text)]


def best_of(outcome: Outcome, wish: Wish, one: Report, row: Row, config: Config) -> best.Best:
    """The file's content for a row that was measured."""
    from farm_results.store import open_store

    assert row.score is not None  # noqa: S101 - it was measured
    point = next(point for point in one.space.points if point.key == row.key)
    store = open_store(config.store)
    try:
        result = store.result(row.score.job_id)
    finally:
        store.close()
    return best.best_of(
        outcome.model,
        wish.request,
        point.target,
        point.batch,
        DevicePart(one.space.device.name, one.space.profile.name),
        measured(row, result, [constraint.text for constraint in wish.constraints]),
    )


def measured(row: Row, result: Result, constraints: list[str]) -> MeasuredPart:
    """What was measured, for the file."""
    return MeasuredPart(
        run_id=result.run_id,
        job_id=result.job_id,
        runtime_version=result.runtime_version,
        verdict=result.verdict.word,
        created_unix_s=result.created_unix_s,
        values=numbers(row.score.values if row.score else {}),
        constraints=tuple(constraints),
    )


def numbers(values: Mapping[str, Value]) -> dict[str, float]:
    """By names with units; an interval's ends where they differ."""
    found: dict[str, float] = {}
    for name, value in values.items():
        key = UNITS.get(name, name)
        found[key] = value.value
        if value.low != value.high:
            found[f"{key}_low"], found[f"{key}_high"] = value.low, value.high
    return found


def document(outcome: Outcome, wish: Wish) -> dict[str, Any]:
    """Everything as one JSON document, schema ``farm.tune/1``."""
    return {
        "schema": SCHEMA,
        "model": outcome.model.name,
        "model_sha256": outcome.model.sha256,
        "study": str(outcome.study),
        "objectives": [goal.name for goal in wish.objectives],
        "constraints": [one.text for one in wish.constraints],
        "interrupted": outcome.interrupted,
        "devices": [report.document(one) for one in outcome.reports],
    }


def without(path: Path) -> None:
    """Remove a file of an earlier call, which is no answer to this one. Raises as ``write_all`` does."""
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise _refused(path, error) from error


def _put(path: Path, text: str) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise _refused(path, error) from error
    return path


def _refused(path: Path, error: OSError) -> InfrastructureError:
    return InfrastructureError(
        f"cannot write {path}: {error.strerror}", code="host.not-writable", fix="choose another --out"
    )
