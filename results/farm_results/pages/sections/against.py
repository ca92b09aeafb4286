"""What differs from the results of another run: numbers, and where the time of a layer went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from farm_results.environment import differences
from farm_results.layers import profile_of
from farm_results.model import Result
from farm_results.pages.chart import Chart
from farm_results.pages.charts import layers
from farm_results.pages.grid import Grid, grid
from farm_results.pages.marks import marks_of
from farm_results.pages.sections.overview import namer
from farm_results.series import HIGHER, key_of, number_of, series_id

MOST_DIFFERENCES = 6


@dataclass(frozen=True)
class Against:
    """``name``: what a person called the other run; ``results``: its results."""

    name: str
    results: tuple[Result, ...]

    @cached_property
    def _by_series(self) -> Mapping[str, Sequence[Result]]:
        found: dict[str, list[Result]] = {}
        for one in self.results:
            found.setdefault(series_id(key_of(one)), []).append(one)
        return found

    def other(self, result: Result) -> Result | None:
        """The same series' newest result over there."""
        own = [
            one for one in self._by_series.get(series_id(key_of(result)), ()) if one.job_id != result.job_id
        ]
        return max(own, key=lambda one: one.created_unix_s, default=None)

    def grid(self, results: Sequence[Result]) -> Grid:
        """A row per result that has a counterpart, with what else changed between the two."""
        columns = {"what": "text", "before": "shown", "now": "shown", "change": "change", "reads": "text"}
        columns |= {"verdict before": "marks", "verdict now": "marks", "what else changed": "text"}
        rows, name = [], namer(results)
        for result in results:
            before = self.other(result)
            if before is not None:
                rows.append(_row(before, result, name(result)))
        missing = len(results) - len(rows)
        return grid(columns, rows, f"{missing} results have no counterpart there" if missing else "")

    def charts(self, result: Result, anchor: str) -> tuple[Chart, ...]:
        """Which layers take longer or less, where both have a profile."""
        before = self.other(result)
        if before is None:
            return ()
        old, new = profile_of(before), profile_of(result)
        if old is None or new is None or not old.layers or not new.layers:
            return ()
        return (
            layers.changes(old, new, name=f"{anchor}-changes", title=f"Time by layer against {self.name}"),
        )


def _row(before: Result, after: Result, name: str) -> tuple[object, ...]:
    from farm_results.pages.filters import Shown, cell

    old, new = number_of(before), number_of(after)
    kind = "ns" if new.metric.endswith("_ns") else "number"
    change, word = None, "–"
    if old.value and new.value is not None:
        change = new.value / old.value - 1
        word = "the same" if change == 0 else "higher" if change > 0 else "lower"
        word += f" ({'more' if new.better == HIGHER else 'less'} is better)"
    other = differences(before, after)
    told = "; ".join(map(str, other[:MOST_DIFFERENCES]))
    if len(other) > MOST_DIFFERENCES:
        told += f"; {len(other) - MOST_DIFFERENCES} more"
    texts = [Shown(cell(number.value, kind), number.value) for number in (old, new)]
    return (
        name,
        *texts,
        change,
        word,
        marks_of(before),
        marks_of(after),
        told or "nothing that farm knows of",
    )
