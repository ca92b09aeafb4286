"""What a study found on one device: every configuration with its place and the reason for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from farm.tune.front import Entry, best, dominator, front
from farm.tune.goals import Constraint, Metric, shown
from farm.tune.score import STAGES, Score, broken, excess
from farm.tune.space import Space
from farm_results import text

if TYPE_CHECKING:
    from farm.tune.study import Study

PLACES = ("best", "front", "dominated", "infeasible", "screened out", "failed", "not tried")


@dataclass(frozen=True)
class Row:
    """``key``: the configuration's name; ``place``: one of PLACES; ``why``: what put it there."""

    key: str
    place: str
    why: str
    score: Score | None = None


@dataclass(frozen=True)
class Report:
    """``used_s``: device time of all trials of the study; ``sweep_s``: what measuring every point whole would
    take. ``nearest``: the least infeasible one with what it misses, where nothing is feasible."""

    space: Space
    rows: tuple[Row, ...]
    used_s: float
    sweep_s: float
    nearest: str = ""

    @property
    def best(self) -> Row | None:
        """The configuration to use, where one is feasible and was measured whole."""
        return next((row for row in self.rows if row.place == "best"), None)

    @property
    def share(self) -> float:
        """Device time used, as a share of what a sweep would take."""
        return self.used_s / self.sweep_s if self.sweep_s else 0.0


def report_of(
    study: Study, goals: Sequence[Metric], constraints: Sequence[Constraint], whole_s: float
) -> Report:
    """``whole_s``: the least that one honest measurement takes, where none was made yet."""
    scores = study.scores()
    rows = rows_of([point.key for point in study.space.points], scores, goals, constraints)
    feasible = any(row.place == "best" for row in rows)
    history = study.history()
    whole = [one.device_s for one in history if one.stage == STAGES[2] and one.device_s > 0]
    each_s = sum(whole) / len(whole) if whole else whole_s
    return Report(
        space=study.space,
        rows=rows,
        used_s=sum(one.device_s for one in history),
        sweep_s=each_s * len(study.space.points),
        nearest="" if feasible else nearest(scores, constraints),
    )


def rows_of(
    keys: Sequence[str],
    scores: Mapping[str, Score],
    goals: Sequence[Metric],
    constraints: Sequence[Constraint],
) -> tuple[Row, ...]:
    """A row per key: the winners first, then the rest by place."""
    entries = [Entry(key, score) for key, score in scores.items()]
    measured = [one for one in entries if one.score.stage == STAGES[2] and one.score.usable]
    feasible = [one for one in measured if not broken(one.score, constraints)]
    winners = front(feasible, goals)
    chosen = best(winners, goals)
    rows = []
    for key in keys:
        score = scores.get(key)
        place, why = _place(key, score, winners, chosen, feasible, goals, constraints)
        rows.append(Row(key, place, why, score))
    order = {one.key: index for index, one in enumerate(winners)}
    return tuple(sorted(rows, key=lambda row: (PLACES.index(row.place), order.get(row.key, 0))))


def _place(
    key: str,
    score: Score | None,
    winners: Sequence[Entry],
    chosen: Entry | None,
    feasible: Sequence[Entry],
    goals: Sequence[Metric],
    constraints: Sequence[Constraint],
) -> tuple[str, str]:
    if score is None:
        return "not tried", "the budget ended first"
    if not score.usable:
        return "failed", f"{score.code or 'invalid'}: {score.why}"
    if chosen is not None and key == chosen.key:
        return "best", _edges(score, constraints)
    if any(one.key == key for one in winners):
        return "front", _edges(score, constraints)
    missed = broken(score, constraints)
    if missed:
        return "infeasible", "; ".join(missed)
    entry = Entry(key, score)
    by = dominator(entry, [*winners, *feasible], goals)
    if score.stage != STAGES[2]:
        return "screened out", f"after the {score.stage}" + (f": behind {by}" if by else "")
    if by:
        return "dominated", f"by {by}"
    missing = [goal.name for goal in goals if goal.name not in score.values]
    return "failed", f"no {', '.join(missing)} could be measured"


def _edges(score: Score, constraints: Sequence[Constraint]) -> str:
    """Constraints that hold by the value, but not over its whole interval."""
    close = []
    for one in constraints:
        value = score.values.get(one.metric)
        if value is not None and max(one.excess(value.low), one.excess(value.high)) > 0:
            close.append(f"{one.text} lies within the interval")
    return "; ".join(close)


def nearest(scores: Mapping[str, Score], constraints: Sequence[Constraint]) -> str:
    """The configuration that misses the constraints least, with what it misses; "" without constraints."""
    ran = [Entry(key, score) for key, score in scores.items() if score.usable]
    if not ran or not constraints:
        return ""
    one = min(ran, key=lambda entry: excess(entry.score, constraints))
    return f"{one.key} ({'; '.join(broken(one.score, constraints)) or 'within the doubt of a quick look'})"


def columns(goals: Sequence[Metric], constraints: Sequence[Constraint]) -> list[str]:
    """Metrics worth a column: the objectives, what is bounded, and accuracy's change beside accuracy."""
    names = [goal.name for goal in goals] + [one.metric for one in constraints]
    if "accuracy" in names:
        names.insert(names.index("accuracy") + 1, "accuracy_drop")
    return list(dict.fromkeys([*names, "latency", "size"]))


def table(rows: Sequence[Row], names: Sequence[str]) -> tuple[list[str], list[list[str]]]:
    """Columns and rows for people."""
    head = ["place", "configuration", *(name.replace("_", " ") for name in names), "verdict", "why"]
    lines = []
    for row in rows:
        values = [_cell(row.score, name) for name in names]
        verdict = row.score.verdict if row.score else ""
        if row.score and row.score.usable and row.score.stage != STAGES[2]:
            verdict = f"{verdict} ({row.score.stage})"
        lines.append([row.place, row.key, *values, verdict, text.printable(row.why, 200)])
    return head, lines


def _cell(score: Score | None, name: str) -> str:
    value = score.values.get(name) if score else None
    if value is None:
        return "–"
    if value.low == value.high:
        return shown(name, value.value)
    if name in ("latency", "p99"):
        return f"{shown(name, value.value)} ({text.duration_range(value.low, value.high, value.value)})"
    return f"{shown(name, value.value)} ({shown(name, value.low)}–{shown(name, value.high)})"


def document(report: Report) -> dict[str, Any]:
    """One device's part of the JSON document."""
    from farm_agent import codec

    points = {point.key: point for point in report.space.points}
    return {
        "device": report.space.device.name,
        "profile": report.space.profile.name,
        "device_time_s": report.used_s,
        "sweep_time_s": report.sweep_s,
        "share": report.share,
        "nearest": report.nearest,
        "left_out": list(report.space.left_out),
        "configurations": [
            {
                "configuration": row.key,
                "place": row.place,
                "why": row.why,
                "target": codec.encode(points[row.key].target),
                "batch": points[row.key].batch,
                "score": row.score.document if row.score else None,
            }
            for row in report.rows
        ],
    }
