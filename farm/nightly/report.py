"""A night and its plan as tables, documents and sentences."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from farm.nightly.record import DONE, FAILED, MEASURED, SKIPPED, UNCONFIRMED, WAITING, CellRecord, NightRecord
from farm.nightly.tell import counted, counted_words, worst_first

if TYPE_CHECKING:
    from farm.nightly.install import Change
    from farm_results.detect.false_alarms import FalseAlarms
    from farm_results.finding import Finding
    from farm_results.history.nights import Head

PLAN_COLUMNS = ("device", "model", "target", "tonight", "about", "why")
CELL_COLUMNS = ("device", "model", "target", "state", "verdict", "z", "what was seen")
FINDING_COLUMNS = (
    "verdict",
    "device",
    "model",
    "effect",
    "99 % interval",
    "state",
    "message",
    "suspects",
    "id",
)
NIGHT_COLUMNS = ("night", "began", "state", "took", "measured", "failed", "skipped", "found")
GOES_ON = "farm nightly run goes on with it where it was; a new night judges what it had compared first"
QUIET = ("", "steady", "new", "learning")


def plan_row(cell: CellRecord) -> tuple[str, ...]:
    """One cell of a plan."""
    words = {WAITING: "measure", SKIPPED: "skip", FAILED: "cannot", MEASURED: "done"}
    model = f"{cell.model} (canary)" if cell.canary else cell.model
    about = _span(cell.estimate_s) if cell.state in (WAITING, SKIPPED) else "-"
    return (cell.device, model, cell.what, words.get(cell.state, cell.state), about, cell.why)


def cell_row(cell: CellRecord) -> tuple[str, ...]:
    """One cell of a night."""
    model = f"{cell.model} (canary)" if cell.canary else cell.model
    z = "-" if cell.trigger_z is None else f"{cell.trigger_z:+.1f}"
    return (cell.device, model, cell.what, cell.state, cell.outcome or "-", z, cell.text or cell.why)


def finding_row(finding: Finding) -> tuple[str, ...]:
    """One finding."""
    known = finding.low is not None and finding.high is not None
    return (
        mark(finding.origin) + finding.word.upper(),
        finding.device,
        finding.model,
        "-" if finding.effect is None else f"{100 * finding.effect:+.1f} %",
        f"{100 * (finding.low or 0):+.1f} … {100 * (finding.high or 0):+.1f} %" if known else "-",
        finding.state,
        finding.message,
        "; ".join(cause.text for cause in finding.causes[:4]) or "-",
        finding.finding_id,
    )


def night_row(night: Head, found: Mapping[str, int]) -> tuple[str, ...]:
    """One night among others; ``found``: how many findings of each word."""
    took = "-" if night.ended_unix_s is None else _span(night.ended_unix_s - night.started_unix_s)
    counts = (str(night.states.get(state, 0)) for state in (MEASURED, FAILED, SKIPPED))
    name = mark(night.origin) + night.night_id
    return (name, when(night.started_unix_s), night.state, took, *counts, counted_words(found) or "nothing")


def stands_out(cell: CellRecord) -> bool:
    """Whether a cell is worth a line: not steady, not measured at all, or still waiting for its verdict."""
    return cell.outcome not in QUIET or cell.state == FAILED or bool(cell.comparison_id and not cell.outcome)


def sentences(night: NightRecord, found: Sequence[Finding]) -> list[str]:
    """A night in a few lines, worst first."""
    states = Counter(cell.state for cell in night.cells)
    parts = [f"{states[state]} {state}" for state in (MEASURED, FAILED, SKIPPED, WAITING) if states[state]]
    lines = [f"{mark(night.origin)}{night.night_id} {night.state}: {', '.join(parts) or 'nothing measured'}"]
    nothing = "nothing that stands out" if night.state == DONE else "nothing yet"
    lines.append(f"found: {counted(worst_first(found)) or nothing}")
    open_ones = [cell for cell in night.cells if cell.outcome == UNCONFIRMED]
    unheard = [cell for cell in open_ones if cell.trigger_z is None]
    if unheard:
        lines.append(f"{len(unheard)} without a verdict: {unheard[0].text}")
    waiting = len(open_ones) - len(unheard)
    if waiting:
        lines.append(f"{waiting} stood out, and no A/B was taken or could tell: the next night looks again")
    return [*lines, *night.notes]


def alarm_sentences(rates: Sequence[FalseAlarms]) -> list[str]:
    """The farm's own rate of false alarms, as its A/As show it, and the devices that cry wolf."""
    if not rates:
        return ["false alarms: no A/A yet; the first one comes with the next night"]
    rate, *devices = rates
    interval = f"95 % interval {100 * rate.low:.1f} … {100 * rate.high:.1f} %"
    first = f"false alarms: {rate.alarms} of {rate.tests} A/As ({100 * rate.share:.1f} %, {interval})"
    return [first, *(f"not trusted: {each.device} {each.words}" for each in devices if not each.trusted)]


def document(
    night: NightRecord | None, found: Sequence[Finding], rates: Sequence[FalseAlarms] = ()
) -> dict[str, Any]:
    """A night as JSON values; ``night_id`` null where there is none yet."""
    from farm_agent import codec

    return {
        "schema": "farm.nightly/1",
        **({"night_id": None, "cells": []} if night is None else codec.encode(night)),
        "findings": [codec.encode(finding) for finding in worst_first(found)],
        "false_alarms": [codec.encode(rate) for rate in rates],
    }


def list_document(heads: Sequence[Head], words: Mapping[str, Mapping[str, int]]) -> dict[str, Any]:
    """Many nights as JSON values: how many cells of each came to what, and how many findings."""
    from farm_agent import codec

    found = [{**codec.encode(head), "findings": dict(words.get(head.night_id, {}))} for head in heads]
    return {"schema": "farm.nights/1", "nights": found}


def plan_document(cells: Sequence[CellRecord], budget_s: float) -> dict[str, Any]:
    """A plan as JSON values."""
    from farm_agent import codec

    return {
        "schema": "farm.nightly-plan/1",
        "budget_s": budget_s,
        "cells": [codec.encode(cell) for cell in cells],
    }


def plan_sentences(cells: Sequence[CellRecord], budget_s: float) -> list[str]:
    """How long each device will be busy."""
    lines = []
    for device in dict.fromkeys(cell.device for cell in cells):
        mine = [cell for cell in cells if cell.device == device]
        chosen = [cell for cell in mine if cell.state == WAITING]
        total_s = sum(cell.estimate_s for cell in chosen)
        line = f"{device}: {len(chosen)} of {len(mine)} cells, about {_span(total_s)} of {_span(budget_s)}"
        if total_s > budget_s:
            line += ": more than the budget, so what is not begun by then waits for other nights"
        lines.append(line)
    return lines


def change_document(found: Sequence[Change], *, dry_run: bool, hints: Sequence[str]) -> dict[str, Any]:
    """What an installation wrote or would write, as JSON values."""
    return {
        "schema": "farm.nightly-install/1",
        "dry_run": dry_run,
        "changes": [{"name": change.name, "text": change.text} for change in found],
        "hints": list(hints),
    }


def mark(origin: str) -> str:
    """What stands before everything that no device measured."""
    return f"{origin.upper()} " if origin else ""


def when(unix_s: float) -> str:
    """UTC to the minute."""
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(unix_s)) + " UTC"


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{max(0.0, seconds):.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
