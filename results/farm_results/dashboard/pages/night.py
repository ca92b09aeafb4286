"""One night, cell by cell."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from farm_results.dashboard.blocks import Block, Facts, Field, Filters, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.nights import cells_of
from farm_results.dashboard.pages.overview import findings_table, worst_first
from farm_results.dashboard.rows import simulated, to_comparison, to_device, to_result, to_series
from farm_results.history import findings, nights
from farm_results.night import DONE, RUNNING
from farm_results.pages.filters import Shown, when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import SHAPES, Marks, marks

PATHS = ("/nights/{night:whole}",)
NOTES = 50


def page(view: View) -> Page:
    """By its id or a unique beginning of it."""
    query = view.query
    night = nights.get(view.store, view.parts["night"])
    found = findings.of_night(view.store, night.night_id)
    cells = cells_of(night)
    states = sorted({str(cell.get("state", "")) for cell in cells} - {""})
    state = query.choice("state", states)
    shown = [cell for cell in cells if not state or cell.get("state") == state]
    most = query.rows()
    notes = night.record.get("notes")
    nothing = "nothing" if night.state == DONE else "nothing yet: verdicts come when all A/Bs are there"
    blocks: list[Block] = [
        Filters(query.path, (Field("state", "Cells that are", state, "select", tuple(states)),)),
        Facts(
            "",
            (
                ("Began", when(night.started_unix_s)),
                ("Ended", when(night.ended_unix_s)),
                ("State", night.state),
                ("Cells", str(len(cells))),
            ),
        ),
        *(Note(str(note)) for note in (notes if isinstance(notes, list) else [])[:NOTES]),
        findings_table("findings", "What it found", worst_first(found), nothing),
        Table("cells", "What it measured and what it left out", grid(*_rows(shown[:most], night.origin))),
    ]
    title = f"Night of {when(night.started_unix_s)}"
    return Page(
        title,
        tuple(blocks),
        simulated=simulated([night, *found]),
        live_s=30 if night.state == RUNNING else 0,
    )


def _rows(cells: list[Mapping[str, Any]], origin: str) -> tuple[dict[str, str], list[tuple[object, ...]]]:
    """Records are JSON of whoever drove the night: nothing of them is taken for granted."""
    rows: list[tuple[object, ...]] = []
    for cell in cells:
        jobs = cell.get("job_ids")
        last = str(jobs[-1]) if isinstance(jobs, list) and jobs else ""
        series = str(cell.get("series") or "")
        what = str(cell.get("what") or cell.get("model") or "")
        z = cell.get("trigger_z")
        rows.append(
            (
                _outcome(cell, origin),
                to_device(str(cell.get("device", ""))),
                to_series(series, what) if series else what,
                _state(cell),
                str(cell.get("why", "")),
                str(cell.get("text", "")),
                Shown(f"{z:+.1f}", float(z)) if isinstance(z, (int, float)) else None,
                to_result(last, "result") if last else None,
                _comparison(cell),
            )
        )
    columns = {"outcome": "marks", "device": "text", "cell": "text", "state": "text", "why": "text"}
    columns |= {"what was seen": "text", "z": "shown", "": "text", "A/B": "text"}
    return columns, rows


def _outcome(cell: Mapping[str, Any], origin: str) -> Marks:
    word = str(cell.get("outcome") or "")
    return marks(word if word in SHAPES else "", origin=origin)


def _state(cell: Mapping[str, Any]) -> str:
    """``measured, steady``: what has no mark of its own is told in words."""
    state, outcome = str(cell.get("state", "")), str(cell.get("outcome") or "")
    return f"{state}, {outcome}" if outcome and outcome not in SHAPES else state


def _comparison(cell: Mapping[str, Any]) -> Link | None:
    name = str(cell.get("comparison_id") or "")
    return to_comparison(name, "A/B") if name else None
