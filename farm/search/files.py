"""What a search leaves in a folder: the best candidate as ONNX, the picture of the front, numbers as JSON."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm import benchmark
from farm.config import Config
from farm.errors import InfrastructureError
from farm.tune import best, plot, report
from farm.tune.best import DevicePart
from farm.tune.files import measured, without
from farm.tune.report import Row
from farm.tune.score import Score
from farm_profiles import Target

if TYPE_CHECKING:
    from farm.search.engine import Outcome, Wish
    from farm_results.model import Result

SCHEMA = "farm.search/1"


def scores(outcome: Outcome) -> dict[str, Score]:
    """By the candidates' names; the first of two of one name."""
    found: dict[str, Score] = {}
    for one in outcome.kept:
        found.setdefault(one.key, one.score)
    return found


def rows(outcome: Outcome, wish: Wish) -> tuple[Row, ...]:
    """The table: winners first."""
    found = scores(outcome)
    return report.rows_of(list(found), found, wish.objectives, wish.constraints)


def write_all(outcome: Outcome, wish: Wish, table: Sequence[Row], folder: Path, config: Config) -> list[Path]:
    """``best.onnx`` with ``best.toml``, ``front.svg`` and ``search.json``.

    Raises InfrastructureError host.not-writable.
    """
    written: list[Path] = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        row = next((row for row in table if row.place == "best"), None)
        if row is None:
            without(folder / "best.onnx")
            without(folder / "best.toml")
        else:
            written += _best(outcome, wish, row, folder, config)
        picture = folder / "front.svg"
        title = f"{outcome.study.stem}: {len(table)} candidates"
        picture.write_text(plot.svg(title, table, wish.objectives, wish.constraints), encoding="utf-8")
        numbers = folder / "search.json"
        text = json.dumps(document(outcome, wish, table), indent=2, allow_nan=False) + "\n"
        numbers.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InfrastructureError(
            f"cannot write to {folder}: {error.strerror}",
            code="host.not-writable",
            fix="choose another --out",
        ) from error
    return [*written, picture, numbers]


def document(outcome: Outcome, wish: Wish, table: Sequence[Row]) -> dict[str, Any]:
    """Everything as one JSON document, schema ``farm.search/1``."""
    files = {one.key: str(outcome.folder / one.file) for one in outcome.kept if one.file}
    return {
        "schema": SCHEMA,
        "study": str(outcome.study),
        "objectives": [goal.name for goal in wish.objectives],
        "constraints": [one.text for one in wish.constraints],
        "interrupted": outcome.interrupted,
        "candidates": [
            {
                "candidate": row.key,
                "place": row.place,
                "why": row.why,
                "file": files.get(row.key, ""),
                "score": row.score.document if row.score else None,
            }
            for row in table
        ],
    }


def _best(outcome: Outcome, wish: Wish, row: Row, folder: Path, config: Config) -> list[Path]:
    """The trained file, and a best.toml for it; its numbers are those of the same graph before training."""
    from dataclasses import replace

    from farm_results.store import open_store

    kept = next(one for one in outcome.kept if one.key == row.key)
    target = folder / "best.onnx"
    shutil.copyfile(outcome.folder / kept.file, target)
    store = open_store(config.store)
    try:
        result = store.result(kept.score.job_id)
    finally:
        store.close()
    model = benchmark.inspect_in(config)(target)
    chosen = best.best_of(
        model,
        replace(wish.request, models=(target,)),
        _target(result),
        wish.request.batch[0],
        DevicePart(result.device, result.profile),
        measured(row, result, [one.text for one in wish.constraints]),
    )
    return [target, best.write(chosen, folder / "best.toml")]


def _target(result: Result) -> Target:
    options = {name: value for name, value in result.options.items() if name != "batch"}
    return Target(result.format, result.runtime, result.precision, result.threads, options)
