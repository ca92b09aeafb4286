"""Two artifacts that were measured in turns on one device, as pages show them."""

from __future__ import annotations

from collections.abc import Sequence

from farm_results.comparison import Comparison
from farm_results.pages.chart import Chart
from farm_results.pages.charts import interval
from farm_results.pages.grid import Grid, grid
from farm_results.pages.marks import marks


def table_of(found: Sequence[Comparison]) -> Grid:
    """A row per comparison: only here stands "slower" and "faster"."""
    columns = {"device": "text", "reference": "text", "candidate": "text", "change": "change"}
    columns |= {"low": "change", "high": "change", "pairs": "count", "says": "marks", "when": "time"}
    rows = []
    for one in found:
        effect = one.effect
        values = (effect.ratio, effect.low, effect.high) if effect is not None else (None, None, None)
        word = marks(one.word, origin=one.origin)
        rows.append(
            (
                one.device,
                one.reference.label,
                one.candidate.label,
                *values,
                one.pairs,
                word,
                one.created_unix_s,
            )
        )
    return grid(columns, rows)


def charts(found: Sequence[Comparison]) -> list[Chart]:
    """The ratio of candidate to reference with its interval, against a line at 1."""
    rows = [
        interval.Row(
            f"{one.device}: {one.candidate.label} over {one.reference.label}",
            1 + one.effect.ratio,
            1 + one.effect.low,
            1 + one.effect.high,
            one.word,
            one.origin,
        )
        for one in found
        if one.effect is not None
    ]
    if not rows:
        return []
    return [interval.chart(rows, name="ab", title="Candidate over reference", ratio=True)]
