"""Which results are held against which: the same series of both sides, or neighbours along an axis."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from farm_agent.errors import UsageError
from farm_results.model import Result
from farm_results.series import SeriesKey, key_of, series_id
from farm_results.text import threads_text

BATCH = "batch"
AXES: Mapping[str, tuple[str, ...]] = {
    "device": ("device", "profile"),
    "runtime": ("runtime", "format", "options"),
    "precision": ("precision",),
    "threads": ("threads",),
    BATCH: (BATCH,),
    "model": ("model",),
}
"""What sides may differ in on purpose, and the parts of a series' key that then differ with it."""

_Identity = tuple[object, ...]


@dataclass(frozen=True)
class Pair:
    """Results of both sides, newest last; one side may be empty. ``series``: of each side, the other's where
    it is empty. ``axis``: what they differ in on purpose, in words, "" for one and the same series. ``by``:
    the axes."""

    reference: tuple[Result, ...]
    candidate: tuple[Result, ...]
    series: tuple[str, str]
    axis: str = ""
    by: tuple[str, ...] = ()

    @property
    def newest(self) -> Result:
        """The candidate's newest result, or the reference's where there is none."""
        return (self.candidate or self.reference)[-1]


def pairs_of(
    reference: Sequence[Result], candidate: Sequence[Result], by: Sequence[str] = ()
) -> tuple[Pair, ...]:
    """Match both sides. Along axes each candidate is held against the reference of its own value, else
    against the first value that the reference has. Raises UsageError ``compare.axis``."""
    _refuse_unknown(by)
    ours, theirs = _grouped(reference, by), _grouped(candidate, by)
    found: list[Pair] = []
    for identity in dict.fromkeys([*ours, *theirs]):
        left, right = ours.get(identity, {}), theirs.get(identity, {})
        for series, results in right.items():
            its = series if series in left else next(iter(left), series)
            other = left.get(its, ())
            found.append(Pair(other, results, (its, series), _axis(other, results, by), tuple(by)))
        if not right:
            found += [_alone(series, results, by) for series, results in left.items()]
    return tuple(found)


def pairs_along(results: Sequence[Result], by: Sequence[str]) -> tuple[Pair, ...]:
    """Within one set of results: per group the first value of the axes is the reference of all others.

    Raises UsageError ``compare.axis``.
    """
    _refuse_unknown(by)
    found: list[Pair] = []
    for group in _grouped(results, by).values():
        (its, first), *others = group.items()
        found += [Pair(first, o, (its, series), _axis(first, o, by), tuple(by)) for series, o in others]
        if not others:
            found.append(_alone(its, first, by))
    return tuple(found)


def _alone(series: str, results: tuple[Result, ...], by: Sequence[str]) -> Pair:
    return Pair(results, (), (series, series), "", tuple(by))


def partners(results: Sequence[Result], others: Sequence[Result], by: Sequence[str]) -> list[Result]:
    """Those of the results that ``pairs_of`` would hold against one of the others. Raises as it does."""
    _refuse_unknown(by)
    wanted = {_identity(key_of(other), by) for other in others}
    return [result for result in results if _identity(key_of(result), by) in wanted]


def value_on(result: Result, axis: str) -> str:
    """What a result is along an axis: ``openvino``, ``4 threads``."""
    from farm_results.report.rows import runtime_text

    if axis == "runtime":
        return runtime_text(result)
    if axis == "threads":
        return threads_text(result.threads)
    if axis == BATCH:
        return f"batch {result.options.get(BATCH, 'unknown')}"
    return str(getattr(result, axis))


def _axis(reference: Sequence[Result], candidate: Sequence[Result], by: Sequence[str]) -> str:
    if not reference or not candidate or not by:
        return ""
    before = " ".join(value_on(reference[-1], axis) for axis in by)
    after = " ".join(value_on(candidate[-1], axis) for axis in by)
    return f"{before} → {after}" if before != after else ""


def _grouped(results: Sequence[Result], by: Sequence[str]) -> dict[_Identity, dict[str, tuple[Result, ...]]]:
    """By what must be equal, then by series; in the order in which they come, oldest first in each."""
    groups: dict[_Identity, dict[str, tuple[Result, ...]]] = {}
    for result in sorted(results, key=lambda one: one.created_unix_s):
        key = key_of(result)
        series = groups.setdefault(_identity(key, by), {})
        name = series_id(key)
        series[name] = (*series.get(name, ()), result)
    return groups


def _identity(key: SeriesKey, by: Sequence[str]) -> _Identity:
    free = {part for axis in by for part in AXES[axis]}
    names = ("origin", "scenario", "model", "device", "format", "runtime", "precision", "threads")
    options = {name: value for name, value in key.options.items() if name != BATCH and "options" not in free}
    batch = "" if BATCH in free else key.options.get(BATCH, "")
    return (*(getattr(key, name) for name in names if name not in free), batch, *sorted(options.items()))


def _refuse_unknown(by: Sequence[str]) -> None:
    for axis in by:
        if axis not in AXES:
            raise UsageError(
                f"sides cannot be compared by {axis!r}", code="compare.axis", fix=f"one of: {', '.join(AXES)}"
            )
