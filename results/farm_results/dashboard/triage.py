"""A finding as pages show it, with what people may make of it."""

from __future__ import annotations

from farm_results.dashboard.blocks import Triage
from farm_results.dashboard.rows import to_comparison, to_result
from farm_results.finding import ACCEPTED, ACKNOWLEDGED, EXPECTED, INVALID, NEW, STATES, Finding
from farm_results.history import findings
from farm_results.pages.filters import change, when

CHOICES = (
    (ACKNOWLEDGED, "Acknowledge"),
    (EXPECTED, "Expected"),
    (INVALID, "Invalid"),
    (ACCEPTED, "Accept as the new baseline"),
)
UNDO = (NEW, "Open again")


def headline(one: Finding) -> str:
    """What it says in a line."""
    return one.message or f"{one.model} on {one.device}"


def triage_of(one: Finding) -> Triage:
    """All that is known of it. What was decided can only be undone."""
    rows: list[tuple[str, object]] = [("Found", when(one.at_unix_s)), ("State", one.state)]
    if one.effect is not None:
        interval = f" ({change(one.low)} to {change(one.high)})" if one.low is not None else ""
        rows.append(("Change", f"{change(one.effect)}{interval}"))
    if one.trigger_z is not None:
        rows.append(("Trigger", f"z = {one.trigger_z:.1f}"))
    rows += [(f"Suspect: {cause.kind}", cause.text) for cause in one.causes]
    if one.job_id:
        rows.append(("Result", to_result(one.job_id, "that night's")))
    if one.reference_job_id:
        rows.append(("Against", to_result(one.reference_job_id, "the reference's result")))
    if one.comparison_id:
        rows.append(("A/B", to_comparison(one.comparison_id)))
    if one.note:
        rows.append(("Note", one.note))
    undo = (UNDO,) if one.state in STATES and one.state != NEW else ()
    choices = (*_answers(one), *undo) if one.state in findings.OPEN else undo
    return Triage(one.finding_id, headline(one), one.word, one.state, one.origin, tuple(rows), choices)


def _answers(one: Finding) -> tuple[tuple[str, str], ...]:
    """A baseline can only be what was measured and differs."""
    return tuple(
        (state, text)
        for state, text in CHOICES
        if state != one.state and (state != ACCEPTED or (one.job_id and one.effect is not None))
    )
