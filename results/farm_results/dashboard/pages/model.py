"""One model: its versions, what could be converted for which device, and its newest results."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from farm_agent import precisions
from farm_agent.errors import UsageError
from farm_results.dashboard.blocks import Block, Command, Links, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.pareto import CALIBRATION
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import Line, lines, results_grid, simulated, to_result, with_shares
from farm_results.pages.grid import Link, grid

PATHS = ("/models/{model:whole}",)
LOOK_AT = 5000
# What Netron shows of a converted model, in the folder that farm convert makes of it.
NETRON = "To look into it on your own machine (pip install netron)"
SHOWN_BY_NETRON = {"onnx": "model.onnx", "openvino": "model.xml", "tflite": "model.tflite"}


def page(view: View) -> Page:
    """By name; versions and the matrix out of its newest ``LOOK_AT`` results."""
    name, query = view.parts["model"], view.query
    found = lines(view.store, model=name, limit=LOOK_AT)
    if not found:
        raise UsageError(
            f"no result is of a model called {name[:100]!r}", code="dashboard.unknown-model", fix="/models"
        )
    most = query.rows(50)
    more = query.url(limit=min(4 * most, 2000)) if len(found) > most and most < 2000 else ""
    note = f"out of the newest {LOOK_AT} results" if len(found) == LOOK_AT else ""
    blocks: tuple[Block, ...] = (
        Links((Link("Pareto", link("/pareto", model=name)), Link("Trends", link("/trend", model=name)))),
        Table("versions", "Versions", grid(*_versions(found), note)),
        Table("matrix", "Where it runs", grid(*_matrix(found), note)),
        Table("artifacts", "Converted files", grid(*_artifacts(found), note), "none was stored"),
        *(Command(title, command) for title, command in _netron(name, found)),
        Table(
            "results",
            "Newest results",
            results_grid(with_shares(view.store, found[:most]), leave_out=("model",)),
            more=more,
        ),
    )
    return Page(name, blocks, simulated=simulated(found))


def _versions(found: Sequence[Line]) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    by_hash: dict[str, list[Line]] = {}
    for line in found:
        by_hash.setdefault(line.model_sha256, []).append(line)
    rows = [
        (sha256[:16], len(own), own[-1].created_unix_s, own[0].created_unix_s)
        for sha256, own in by_hash.items()
    ]
    return {"sha256": "code", "results": "count", "first": "time", "last": "time"}, list(rows)


def _artifacts(found: Sequence[Line]) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    by_hash: dict[str, Line] = {}
    for line in found:
        if line.artifact_sha256:
            by_hash.setdefault(line.artifact_sha256, line)
    rows = [
        (
            one.format,
            one.precision,
            one.artifact_bytes,
            sha256[:16],
            one.created_unix_s,
            to_result(one.job_id),
        )
        for sha256, one in list(by_hash.items())[:200]
    ]
    columns = {"format": "text", "precision": "text", "size": "bytes", "sha256": "code", "last": "time"}
    return {**columns, "result": "text"}, list(rows)


def _netron(model: str, found: Sequence[Line]) -> list[tuple[str, str]]:
    """What shows the newest converted file, or the model itself where only devices make files of it. Nothing
    leaves the machine; the page cannot know where its reader keeps the files, so it names commands."""
    file = f"{model}.onnx"
    usable = [line for line in found if line.format in SHOWN_BY_NETRON and line.artifact_sha256]
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


def _matrix(found: Sequence[Line]) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """The newest outcome per device profile and target: ok, or why not."""
    targets = sorted({(line.format, line.runtime, line.precision) for line in found})[:24]
    newest: dict[tuple[str, str, str, str], Line] = {}
    for line in found:
        newest.setdefault((line.profile, line.format, line.runtime, line.precision), line)
    rows: list[tuple[object, ...]] = []
    for profile in sorted({line.profile for line in found}):
        cells = [newest.get((profile, *target)) for target in targets]
        rows.append((profile or "–", *(_outcome(line) for line in cells)))
    columns = {"profile": "text"} | {
        f"{runtime} {precision} ({form})": "text" for form, runtime, precision in targets
    }
    return columns, rows


def _outcome(line: Line | None) -> object:
    if line is None:
        return None
    word = line.verdict if line.status == "ok" else line.error_code or line.status
    return to_result(line.job_id, "ok" if word in ("valid", "noisy") else word)
