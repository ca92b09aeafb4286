"""Who wins: dominance between measured configurations, with their intervals where these are still wide."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farm.tune.goals import Constraint, Metric
from farm.tune.score import Score, Value, cost

# Fresh processes of one program differ by a few percent on an ordinary machine, more than the interval of
# one or two short ones tells: a look may err by this share to each side before it rules anything out.
DOUBT = {"screen": 0.2, "second look": 0.05, "measurement": 0.0}
TIMED = ("latency", "p99", "throughput", "energy")


@dataclass(frozen=True)
class Entry:
    """A configuration by its key, with its score."""

    key: str
    score: Score


def dominates(one: Score, other: Score, goals: Sequence[Metric]) -> bool:
    """No worse in any objective and better in one, by the values themselves."""
    pairs = [(cost(one, goal), cost(other, goal)) for goal in goals]
    costs = [(a.value, b.value) for a, b in pairs if a is not None and b is not None]
    if len(costs) < len(pairs):
        return False
    return all(a <= b for a, b in costs) and any(a < b for a, b in costs)


def surely_dominates(one: Score, other: Score, goals: Sequence[Metric]) -> bool:
    """The same whatever value in their intervals is true; objectives that neither has are left out."""
    better = False
    for goal in goals:
        a, b = cost(one, goal), cost(other, goal)
        if a is None and b is None:
            continue
        if a is None or b is None:
            return False
        a, b = widened(a, goal, one.stage), widened(b, goal, other.stage)
        if a.high > b.low and not (a.low == a.high == b.low == b.high):
            return False
        better = better or a.high < b.low
    return better


def widened(value: Value, goal: Metric, stage: str) -> Value:
    """The interval with the doubt of its stage."""
    doubt = DOUBT.get(stage, 0.0) * abs(value.value) if goal.name in TIMED else 0.0
    return Value(value.value, min(value.low, value.value - doubt), max(value.high, value.value + doubt))


def front(entries: Sequence[Entry], goals: Sequence[Metric]) -> list[Entry]:
    """Those that no other dominates, the best in the first objective first."""
    kept = [
        one
        for one in entries
        if _complete(one, goals)
        and not any(dominates(other.score, one.score, goals) for other in entries if _complete(other, goals))
    ]
    return sorted(kept, key=lambda entry: [_cost(entry, goal) for goal in goals])


def dominator(entry: Entry, entries: Sequence[Entry], goals: Sequence[Metric]) -> str:
    """The key of one that dominates it, "" if none does."""
    return next((one.key for one in entries if dominates(one.score, entry.score, goals)), "")


def best(entries: Sequence[Entry], goals: Sequence[Metric]) -> Entry | None:
    """One of a front: the best in the first objective; among those whose intervals overlap with its own,
    the best in the next, and so on."""
    rest = list(entries)
    for goal in goals:
        if not rest:
            return None
        winner = min(rest, key=lambda entry: _cost(entry, goal))
        limit = cost(winner.score, goal)
        rest = [one for one in rest if limit is None or _low(one, goal) <= limit.high]
    return min(rest, key=lambda entry: [_cost(entry, goal) for goal in goals], default=None)


def ranked(entries: Sequence[Entry], goals: Sequence[Metric]) -> list[Entry]:
    """By promise: the best of every objective, then front after front, the first objective within a front."""
    known = [goal for goal in goals if any(cost(one.score, goal) for one in entries)]
    order = [min(entries, key=lambda entry: _cost(entry, goal)) for goal in known if entries]
    left = [one for one in entries if one not in order]
    while left:
        layer = front(left, known) or left
        order += [one for one in layer if one not in order]
        left = [one for one in left if one not in layer]
    return list({one.key: one for one in order}.values())


def possible(
    entries: Sequence[Entry], goals: Sequence[Metric], constraints: Sequence[Constraint]
) -> list[Entry]:
    """Those that may still be on the feasible front: nothing surely beats them, no bound surely fails."""
    usable = [one for one in entries if one.score.usable and not surely_broken(one.score, constraints)]
    return [
        one
        for one in usable
        if not any(surely_dominates(other.score, one.score, goals) for other in usable if other is not one)
    ]


def surely_broken(score: Score, constraints: Sequence[Constraint]) -> bool:
    """Whether a bound fails with every value of its interval; a number not measured yet may still hold."""
    for one in constraints:
        value = score.values.get(one.metric)
        if value is None:
            continue
        doubt = DOUBT.get(score.stage, 0.0) * abs(value.value) if one.metric in TIMED else 0.0
        low, high = min(value.low, value.value - doubt), max(value.high, value.value + doubt)
        if one.excess(low if one.sense == "<=" else high) > 0:
            return True
    return False


def _complete(entry: Entry, goals: Sequence[Metric]) -> bool:
    return all(cost(entry.score, goal) is not None for goal in goals)


def _cost(entry: Entry, goal: Metric) -> float:
    value = cost(entry.score, goal)
    return float("inf") if value is None else value.value


def _low(entry: Entry, goal: Metric) -> float:
    value = cost(entry.score, goal)
    return float("inf") if value is None else value.low
