"""The last night at a glance: what it found, the worst first, how the fleet is, what changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from farm_results.dashboard.blocks import Block, Count, Counts, Note, Page, Strip, Table, Tile
from farm_results.dashboard.changed import LOOK_AT, Changed, changed_since
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import (
    simulated,
    to_device,
    to_finding,
    to_model,
    to_night,
    to_run,
    to_series,
)
from farm_results.finding import ENVIRONMENT, IMPROVEMENT, INCONCLUSIVE, REGRESSION, SILENT, WORDS, Finding
from farm_results.history import findings, nights
from farm_results.night import RUNNING
from farm_results.pages.filters import when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import Mark, marks
from farm_results.pages.sections.origin import command_of

PATHS = ("/",)
NAV = (1, "Overview")
DAY_S = 86_400.0
MOST_CHANGES = 200
MOST_CAUSES = 2
_WORST = (REGRESSION, "device changed", SILENT, ENVIRONMENT, INCONCLUSIVE, IMPROVEMENT)


def page(view: View) -> Page:
    """The newest night, the fleet, and what differs from the day before."""
    store = view.store
    night = nights.newest(store, view.now_unix_s)
    found = findings.of_night(store, night.night_id) if night else []
    waiting = findings.open_ones(store, limit=200)
    devices = view.fleet.devices()
    runs = store.runs(8)
    changed = changed_since(store, view.now_unix_s - DAY_S)
    blocks: list[Block] = [_night_note(night), _counts(found, waiting)]
    shown = found or waiting
    title = "What the last night found, the worst first" if found else "What waits for somebody"
    blocks.append(findings_table("findings", title, worst_first(shown)[:100], "nothing"))
    tiles = tuple(
        Tile(
            one.name,
            one.word,
            to_device(one.name).href,
            "; ".join(filter(None, (one.reason, *one.drift))),
            one.origin,
            "changed" if one.drift else "",
        )
        for one in devices
    )
    blocks.append(Strip("The fleet", tiles, "no device is known; farm enroll adds one"))
    blocks.append(_changes(changed))
    recent = grid(
        {"run": "text", "when": "time", "state": "text", "command": "text"},
        [(to_run(run.run_id), run.created_unix_s, run.state, command_of(run)) for run in runs],
    )
    blocks.append(Table("runs", "The newest runs", recent, "none yet; farm bench makes one", more="/runs"))
    return Page("Overview", tuple(blocks), simulated=simulated([*shown, changed, *devices]), live_s=30)


def worst_first(found: Sequence[Finding]) -> list[Finding]:
    """Regressions before all else, the largest first."""
    order = {word: place for place, word in enumerate(_WORST)}
    return sorted(found, key=lambda one: (order.get(one.word, len(order)), -abs(one.effect or 0.0)))


def findings_table(name: str, title: str, found: Sequence[Finding], empty: str) -> Table:
    """Findings with what to look at next."""
    columns = {
        "what": "marks",
        "change": "change",
        "from": "change",
        "to": "change",
        "model": "text",
        "device": "text",
        "why": "text",
        "state": "text",
        "when": "time",
    }
    rows = [
        (
            marks(one.word, origin=one.origin, title=one.message),
            one.effect,
            one.low,
            one.high,
            Link(one.model, f"{to_series(one.series).href}#finding-{one.finding_id}"),
            to_device(one.device),
            _why(one),
            to_finding(one.finding_id, one.state),
            one.at_unix_s,
        )
        for one in found
    ]
    return Table(name, title, grid(columns, rows), empty)


def _why(one: Finding) -> str:
    """The first suspects; its trend's page has all."""
    first = "; ".join(cause.text for cause in one.causes[:MOST_CAUSES]) or one.message
    left_out = len(one.causes) - MOST_CAUSES
    return f"{first}; {left_out} more" if left_out > 0 else first


def _night_note(night: nights.Head | None) -> Note:
    if night is None:
        return Note("There was no night yet: farm nightly install makes one every night.", "info")
    if night.state == RUNNING:
        return Note(f"A night goes on since {when(night.started_unix_s)}.", "info")
    ended = f" to {when(night.ended_unix_s)}" if night.ended_unix_s else ""
    cells = "".join(f", {count} {word}" for word, count in night.states.items())
    whole = night.state == "done" and not night.states.get("failed")
    more = to_night(night.night_id, "What it did")
    text = f"The last night, {when(night.started_unix_s)}{ended}: {night.state}{cells}."
    return Note(text, "good" if whole else "warn", more)


def _counts(found: Sequence[Finding], waiting: Sequence[Finding]) -> Counts:
    by_word = Counter(one.word for one in found)
    counts = [Count(str(by_word[word]), Mark(word).word, word if by_word[word] else "") for word in WORDS]
    open_word = "inconclusive" if waiting else ""
    return Counts("", (*counts, Count(str(len(waiting)), "wait for somebody", open_word, "/findings")))


def _changes(changed: Changed) -> Table:
    """What the results of the last day were made of, against the ones before them of the same series."""
    rows = [
        (
            one.what,
            one.before,
            one.after,
            to_device(one.device),
            to_model(one.model),
            to_series(one.series, "trend"),
        )
        for one in changed.changes[:MOST_CHANGES]
    ]
    columns = {"what": "text", "before": "text", "now": "text", "device": "text", "model": "text", "": "text"}
    note = f"among the newest {LOOK_AT} results" if changed.looked_at == LOOK_AT else ""
    return Table("changes", "Changed in the last day", grid(columns, rows, note), "nothing")
