"""Which cells a night measures: canaries, then what changed, then by turns what has waited longest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from farm.nightly.bench import Wanted
from farm.nightly.content import changed
from farm.nightly.record import FAILED, SKIPPED, WAITING, CellRecord

MEASURING_SHARE = 0.75
"""Of the budget; the rest is for a second look at what moved."""
NOT_THERE = "skipped"
"""Problem code of what the device does not have and nobody named."""
NEVER_S = 10 * 365 * 86400.0
AHEAD_S, UNTOLD_S = 3600.0, 7 * 86400.0
"""A result that lies so far ahead tells of a clock that stepped: nobody knows how long its cell has waited.
As old as a week it neither waits for years nor is in front every night."""


@dataclass(frozen=True)
class Last:
    """A series' newest ok result: when, how long it took, and what its number depended on."""

    at_unix_s: float
    content: Mapping[str, str] = field(default_factory=dict)
    took_s: float | None = None


def choose(
    wanted: Sequence[Wanted],
    last: Mapping[str, Last],
    *,
    budget_s: float,
    now_unix_s: float,
    spent_s: Mapping[str, float] | None = None,
) -> tuple[CellRecord, ...]:
    """Every cell with its state: waiting in the order of measuring, skipped or failed, and why.

    On each device, canaries come first, then new and changed cells by priority, then unchanged ones by how
    long they have waited, where each step of priority counts like twice the age. The first one is measured
    even where it alone is longer than the budget. ``spent_s``: by device, what the night took already.
    """
    found: list[CellRecord] = []
    for device in dict.fromkeys(each.device for each in wanted):
        here = [each for each in wanted if each.device == device]
        left_s = budget_s * MEASURING_SHARE - (spent_s or {}).get(device, 0.0)
        found += _of_device(here, last, left_s, now_unix_s)
    return tuple(found)


def _of_device(
    wanted: Sequence[Wanted], last: Mapping[str, Last], budget_s: float, now_unix_s: float
) -> list[CellRecord]:
    ready = [each for each in wanted if not each.problem]
    reasons = {each.key: _reason(each, last.get(each.key)) for each in ready}

    def rank(each: Wanted) -> tuple[int, float, float]:
        before = last.get(each.key)
        age_s = NEVER_S if before is None else _age_s(before, now_unix_s)
        if each.canary:
            return (0, 0.0, 0.0)
        if reasons[each.key]:
            return (1, -float(each.priority), -age_s)
        return (2, 0.0, -age_s * 2.0**each.priority)

    found, spent_s, taken = [], 0.0, False
    for wish in sorted(ready, key=rank):
        why = reasons[wish.key] or _since(last[wish.key], now_unix_s)
        each = _timed(wish, last.get(wish.key))
        if not taken or each.canary or spent_s + each.estimate_s <= budget_s:
            spent_s += each.estimate_s
            taken = taken or not each.canary
            found.append(record_of(each, WAITING, why))
        else:
            found.append(record_of(each, SKIPPED, f"no time left in the budget; {why}"))
    for each in wanted:
        if each.problem:
            state = SKIPPED if each.problem_code == NOT_THERE else FAILED
            found.append(record_of(each, state, each.problem))
    return found


def record_of(each: Wanted, state: str, why: str) -> CellRecord:
    """The cell as it is written down."""
    return CellRecord(
        key=each.key,
        device=each.device,
        model=each.model,
        what=each.what,
        series=each.series,
        canary=each.canary,
        state=state,
        why=why,
        estimate_s=each.estimate_s,
        error_code=each.problem_code if state == FAILED else "",
    )


def _timed(wish: Wanted, before: Last | None) -> Wanted:
    """With the time that it took the last time, where that is known."""
    took_s = before.took_s if before is not None else None
    return wish if took_s is None else replace(wish, estimate_s=took_s)


def _reason(each: Wanted, before: Last | None) -> str:
    """Why it is measured before the unchanged ones; "" for an unchanged one."""
    if before is None:
        return "never measured"
    differences = changed(before.content, each.content)
    if differences:
        return f"changed: {', '.join(differences[:3])}"
    return "" if before.content and each.content else "not known whether it changed"


def _age_s(before: Last, now_unix_s: float) -> float:
    age_s = now_unix_s - before.at_unix_s
    return UNTOLD_S if age_s < -AHEAD_S else max(0.0, age_s)


def _since(before: Last, now_unix_s: float) -> str:
    if before.at_unix_s > now_unix_s + AHEAD_S:
        return "unchanged, measured by a clock that was ahead"
    hours = max(0.0, now_unix_s - before.at_unix_s) / 3600
    ago = f"{hours:.0f} h" if hours < 48 else f"{hours / 24:.0f} days"
    return f"unchanged, measured {ago} ago"
