"""One model: its versions, what could be converted for which device, and its newest results."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from farm_agent import precisions
from farm_agent.errors import UsageError
from farm_results.dashboard.blocks import Block, Command, Links, Page, Table
from farm_results.dashboard.files import LOOK_AT, Used, converted, used
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.pareto import CALIBRATION
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import (
    Line,
    lines,
    newest_ok,
    results_grid,
    simulated,
    to_result,
    with_shares,
)
from farm_results.history import points
from farm_results.history.points import SeriesRow
from farm_results.pages.grid import Link, grid
from farm_results.series import SeriesKey

PATHS = ("/models/{model:whole}",)
MOST_SERIES = 2000
MOST_TARGETS = 24
Target = tuple[str, str, str]
# What Netron shows of a converted model, in the folder that farm convert makes of it.
NETRON = "To look into it on your own machine (pip install netron)"
SHOWN_BY_NETRON = {"onnx": "model.onnx", "openvino": "model.xml", "tflite": "model.tflite"}


def page(view: View) -> Page:
    """By name; versions and files out of its newest ``LOOK_AT`` results, where it runs by its series."""
    name, query = view.parts["model"], view.query
    series = points.series_rows(view.store, model=name, limit=MOST_SERIES)
    if not series:
        raise UsageError(
            f"no result is of a model called {name[:100]!r}", code="dashboard.unknown-model", fix="/models"
        )
    most = query.rows(50)
    newest = lines(view.store, model=name, limit=most + 1)
    more = query.url(limit=min(4 * most, 2000)) if len(newest) > most and most < 2000 else ""
    files = used(view.store, name, [row.series for row in series])
    made = converted(view.store, name, files)
    cut = sum(one.results for one in files) >= LOOK_AT or len(series) == MOST_SERIES
    note = f"out of the newest {LOOK_AT} results" if cut else ""
    blocks: tuple[Block, ...] = (
        Links((Link("Pareto", link("/pareto", model=name)), Link("Trends", link("/trend", model=name)))),
        Table("versions", "Versions", grid(*_versions(files), note)),
        Table("matrix", "Where it runs", grid(*_matrix(view, series))),
        Table("artifacts", "Converted files", grid(*_artifacts(made), note), "none was stored"),
        *(Command(title, command) for title, command in _netron(name, made)),
        Table(
            "results",
            "Newest results",
            results_grid(with_shares(view.store, newest[:most]), leave_out=("model",)),
            more=more,
        ),
    )
    return Page(name, blocks, simulated=simulated([*series, *newest]))


def _versions(files: Sequence[Used]) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    by_hash: dict[str, list[Used]] = {}
    for one in files:
        by_hash.setdefault(one.model_sha256, []).append(one)
    rows = [
        (
            sha256[:16],
            sum(one.results for one in own),
            min(one.first_unix_s for one in own),
            max(one.last_unix_s for one in own),
        )
        for sha256, own in by_hash.items()
    ]
    return {"sha256": "code", "results": "count", "first": "time", "last": "time"}, list(rows)


def _artifacts(made: Sequence[Line]) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    rows = [
        (
            one.format,
            one.precision,
            one.artifact_bytes,
            one.artifact_sha256[:16],
            one.created_unix_s,
            to_result(one.job_id),
        )
        for one in made
    ]
    columns = {"format": "text", "precision": "text", "size": "bytes", "sha256": "code", "last": "time"}
    return {**columns, "result": "text"}, list(rows)


def _netron(model: str, made: Sequence[Line]) -> list[tuple[str, str]]:
    """What shows the newest converted file, or the model itself where only devices make files of it. Nothing
    leaves the machine; the page cannot know where its reader keeps the files, so it names commands."""
    file = f"{model}.onnx"
    usable = [line for line in made if line.format in SHOWN_BY_NETRON]
    plain = [line for line in usable if not precisions.of(line.precision).calibrated]
    one = next(iter(plain or usable), None)
    if one is None:
        return [(NETRON, shlex.join(["netron", file]))]
    convert = [
        "farm",
        "convert",
        file,
        "--to",
        one.format,
        "--precision",
        one.precision,
        "--out",
        "converted",
    ]
    if precisions.of(one.precision).calibrated:
        convert += CALIBRATION
    folder = f"converted/{model}-{one.format}-{one.precision}"
    shown = shlex.join(["netron", f"{folder}/{SHOWN_BY_NETRON[one.format]}"])
    return [
        ("To have a converted file at hand: out of the cache, or made anew", shlex.join(convert)),
        (NETRON, shown),
    ]


def _matrix(view: View, series: Sequence[SeriesRow]) -> tuple[dict[str, str], list[tuple[object, ...]], str]:
    """The newest outcome per device profile and target: ok, or why not; and what is left out."""
    newest: dict[tuple[str, Target], str] = {}
    for row in sorted(series, key=lambda one: (-one.last_unix_s, one.last_job_id)):
        newest.setdefault((row.key.profile, _target(row.key)), row.last_job_id)
    every = list(dict.fromkeys(target for _, target in newest))  # the last measured first
    targets = sorted(every[:MOST_TARGETS])
    wanted = {place: job for place, job in newest.items() if place[1] in targets}
    by_job = {line.job_id: line for line in newest_ok(view.store, wanted.values())}
    rows: list[tuple[object, ...]] = []
    for profile in sorted({profile for profile, _ in newest}):
        cells = [by_job.get(wanted.get((profile, target), "")) for target in targets]
        rows.append((profile or "–", *(_outcome(line) for line in cells)))
    columns = {"profile": "text"} | {
        f"{runtime} {precision} ({form})": "text" for form, runtime, precision in targets
    }
    left_out = len(every) - len(targets)
    return columns, rows, f"{left_out} that were measured longer ago are not shown" if left_out else ""


def _target(key: SeriesKey) -> Target:
    return key.format, key.runtime, key.precision


def _outcome(line: Line | None) -> object:
    if line is None:
        return None
    word = line.verdict if line.status == "ok" else line.error_code or line.status
    return to_result(line.job_id, "ok" if word in ("valid", "noisy") else word)
