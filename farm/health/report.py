"""Health as rows of a table and as documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm.health import drift, usual
from farm.health.states import QUARANTINED, Standing, when

if TYPE_CHECKING:
    from farm.errors import FarmError
    from farm.health.alarm import Silence
    from farm.health.rounds import Visit

COLUMNS = ("device", "health", "since", "reason", "last seen", "canary p50", "usual", "drift", "until")
VISIT_COLUMNS = ("device", "outcome", "canary p50", "usual", "text")
NEVER = "–"


@dataclass(frozen=True)
class Line:
    """One device. ``usual_ns``: centre and spread of its own earlier canaries; None: too few."""

    standing: Standing
    p50_ns: float | None
    usual_ns: tuple[float, float] | None
    drift: tuple[str, ...]


def lines(standings: Mapping[str, Standing], names: Sequence[str]) -> list[Line]:
    """A line per device; those without a row are unknown."""
    return [line(standings.get(name, Standing(name))) for name in names]


def line(standing: Standing) -> Line:
    """One device's."""
    record, last = standing.record, standing.record.last
    return Line(
        standing,
        last.p50_ns if last else None,
        usual.usual_ns(record.canaries, last.series) if last else None,
        drift.differences(record.accepted, record.facts),
    )


def cells(line: Line, now: float) -> tuple[str, ...]:
    """The columns of ``COLUMNS``."""
    from farm_results.text import duration

    standing = line.standing
    until = ""
    if standing.health == QUARANTINED:
        until = when(standing.until_unix_s) if standing.until_unix_s else "a person ends it"
    return (
        standing.device,
        standing.health,
        ago(now - standing.since_unix_s) if standing.since_unix_s else NEVER,
        standing.reason,
        ago(now - standing.seen_unix_s) if standing.seen_unix_s else NEVER,
        duration(line.p50_ns) if line.p50_ns else NEVER,
        _usual(line),
        "; ".join(line.drift),
        until,
    )


def document(line: Line) -> dict[str, Any]:
    """One device for ``--json``."""
    standing = line.standing
    return {
        "device": standing.device,
        "health": standing.health,
        "since_unix_s": standing.since_unix_s or None,
        "reason": standing.reason,
        "strikes": standing.strikes,
        "until_unix_s": standing.until_unix_s or None,
        "seen_unix_s": standing.seen_unix_s or None,
        "checked_unix_s": standing.checked_unix_s or None,
        "canary_p50_ns": line.p50_ns,
        "usual_p50_ns": line.usual_ns[0] if line.usual_ns else None,
        "usual_spread_ns": line.usual_ns[1] if line.usual_ns else None,
        "drift": list(line.drift),
        "facts": dict(standing.record.facts),
    }


def visit_cells(visit: Visit) -> tuple[str, ...]:
    """The columns of ``VISIT_COLUMNS``."""
    if visit.exam is None:
        text = visit.error.message if visit.error else visit.skipped
        return (visit.device, "not checked", NEVER, NEVER, text)
    found = line(visit.exam.standing)
    numbers = cells(found, 0.0)[5:7] if visit.ok else (NEVER, NEVER)
    if visit.exam.busy:
        return (visit.device, "in use", *numbers, _message(visit))
    parts = [found.standing.reason, *found.drift]
    if visit.exam.climb and visit.exam.climb.helped:
        parts.insert(0, f"{visit.exam.climb.tried[-1].step} helped")
    elif not visit.ok:
        parts = [_message(visit)]
        if found.standing.health == QUARANTINED and found.standing.until_unix_s:
            parts.append(f"until {when(found.standing.until_unix_s)}")
    return (visit.device, found.standing.health, *numbers, "; ".join(part for part in parts if part))


def visited(visit: Visit) -> dict[str, Any]:
    """One device of a round for ``--json``."""
    exam, error = visit.exam, visit.error or (visit.exam.error if visit.exam else None)
    return {
        "device": visit.device,
        "ok": visit.ok,
        "skipped": visit.skipped or None,
        "busy": bool(exam and exam.busy),
        "error": {"code": error.code, "message": error.message, "fix": error.fix} if error else None,
        "steps": [vars(tried) for tried in exam.climb.tried] if exam and exam.climb else [],
        "health": document(line(exam.standing)) if exam else None,
    }


def steps(visit: Visit) -> list[tuple[str, str, str]]:
    """What the ladder tried, for a table."""
    climb = visit.exam.climb if visit.exam else None
    return [(tried.step, tried.outcome, tried.text) for tried in climb.tried] if climb else []


def alarm_document(event: str, silences: Sequence[Silence]) -> dict[str, Any]:
    """What the alarm command hears of silent devices."""
    found = [{**document(line(each.standing)), "silent_s": each.silent_s} for each in silences]
    return {"schema": "farm.alarm/1", "event": event, "devices": found}


def quarantine_document(standings: Sequence[Standing]) -> dict[str, Any]:
    """What the alarm command hears of devices that were put out of use."""
    found = [document(line(standing)) for standing in standings]
    return {"schema": "farm.alarm/1", "event": "quarantined", "devices": found}


def silence_error(silence: Silence) -> FarmError:
    """What a person reads about a silent device."""
    from farm.errors import InfrastructureError

    standing = silence.standing
    return InfrastructureError(
        f"{standing.device} has not answered for {span(silence.silent_s)}; it was {standing.health}",
        code="health.silent",
        fix=f"farm health recover {standing.device}; or farm retire {standing.device}",
    )


def span(seconds: float) -> str:
    """A time for people: ``35 min``, ``6 h``, ``3 days``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 48 * 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 86400:.0f} days"


def ago(seconds: float) -> str:
    """``6 h ago``."""
    return f"{span(max(0.0, seconds))} ago"


def _usual(line: Line) -> str:
    from farm_results.text import duration

    if line.usual_ns is None:
        return NEVER
    centre, spread = line.usual_ns
    return f"{duration(centre)} ±{100 * spread / centre:.0f} %"


def _message(visit: Visit) -> str:
    error = visit.exam.error if visit.exam else None
    return f"{error.code}: {error.message}" if error else ""
