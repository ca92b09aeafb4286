"""Every night: what it did, what it left out and why, and how often the farm itself cries wolf."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from farm_results.dashboard.blocks import Block, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.rows import simulated, to_device, to_night
from farm_results.detect.false_alarms import false_alarms
from farm_results.history import comparisons, nights
from farm_results.night import Night
from farm_results.pages.filters import Shown, when
from farm_results.pages.grid import grid
from farm_results.pages.marks import marks

PATHS = ("/nights",)
NAV = (2, "Nights")
MOST_AA = 2000


def page(view: View) -> Page:
    """The newest nights, and the rate of false alarms out of the newest A/A comparisons."""
    found = nights.heads(view.store, limit=view.query.rows(60))
    tests = comparisons.outcomes(view.store, kind="aa", limit=MOST_AA)
    blocks: tuple[Block, ...] = (_table(found), _alarms(tests))
    return Page("Nights", blocks, simulated=simulated([*found, *tests]))


def cells_of(night: Night) -> list[Mapping[str, Any]]:
    """What a night wrote down of each cell; nothing where its record is of another farm."""
    cells = night.record.get("cells")
    return [cell for cell in cells if isinstance(cell, Mapping)] if isinstance(cells, list) else []


def _counted(words: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {word}" for word, count in sorted(words.items(), key=lambda item: -item[1]))


def _table(found: Sequence[nights.Head]) -> Table:
    rows = [
        (
            to_night(night.night_id, when(night.started_unix_s)),
            marks("", origin=night.origin),
            night.state,
            _took(night),
            _counted(night.states),
            _counted(night.outcomes),
        )
        for night in found
    ]
    columns = {
        "night": "text",
        "": "marks",
        "state": "text",
        "took": "shown",
        "cells": "text",
        "found": "text",
    }
    empty = "none yet: farm nightly install makes one every night"
    return Table("nights", "Nights", grid(columns, rows), empty)


def _took(night: nights.Head) -> Shown | None:
    if night.ended_unix_s is None:
        return None
    seconds = night.ended_unix_s - night.started_unix_s
    return Shown(f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h", seconds)


def _alarms(tests: Sequence[comparisons.Outcome]) -> Table:
    rows = [
        (
            to_device(one.device) if one.device else "all devices",
            one.tests,
            one.alarms,
            one.inconclusive,
            one.share,
            one.low,
            one.high,
            one.spread,
        )
        for one in false_alarms(tests)
    ]
    columns = {"device": "text", "A/A": "count", "false alarms": "count", "inconclusive": "count"}
    columns |= {"share": "share", "from": "share", "to": "share", "99 % lie within": "share"}
    note = "An A/A measures one artifact against itself: whatever it calls slower or faster is a false alarm."
    empty = "no A/A was measured yet: farm nightly makes one per device every week"
    return Table("false-alarms", "How often the farm cries wolf", grid(columns, rows, note), empty)
