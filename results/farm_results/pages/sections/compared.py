"""Two artifacts that were measured in turns on one device, as pages show them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import zip_longest

from farm_results.comparison import FAILED, FASTER, INCONCLUSIVE, SAME, SKIPPED, SLOWER, Comparison
from farm_results.pages.chart import Chart
from farm_results.pages.charts import interval
from farm_results.pages.grid import Grid, grid
from farm_results.pages.marks import Mark, marks
from farm_results.pages.sections.overview import Count

ORDER = (SLOWER, INCONCLUSIVE, FASTER, SAME, FAILED, SKIPPED)
FIRST = {"rc": "reference", "cr": "candidate"}
# Of a report with many comparisons these get their pairs drawn.
MOST_PAIRED = 8


def table_of(found: Sequence[Comparison]) -> Grid:
    """A row per comparison: only here stands "slower" and "faster"."""
    same_kind = len({one.kind for one in found}) < 2 and all(one.kind == "ab" for one in found)
    columns = {"says": "marks", **({} if same_kind else {"kind": "text"})}
    columns |= {"model": "text", "target": "text", "device": "text", "reference": "text", "candidate": "text"}
    columns |= {"change": "change", "low": "change", "high": "change", "pairs": "count", "when": "time"}
    rows = []
    for one in found:
        effect = one.effect
        values = (effect.ratio, effect.low, effect.high) if effect is not None else (None, None, None)
        word = marks(one.word, origin=one.origin)
        kind = () if same_kind else (kind_of(one),)
        what = (model_of(one), target_of(one), one.device, one.reference.label, one.candidate.label)
        rows.append((word, *kind, *what, *values, one.pairs, one.created_unix_s))
    return grid(columns, rows)


def kind_of(one: Comparison) -> str:
    """An A/A is one artifact against itself."""
    return "A/A" if one.kind == "aa" else "A/B"


def model_of(one: Comparison) -> str:
    """``old → new`` where the sides are two models."""
    names = dict.fromkeys(side.model for side in (one.reference, one.candidate) if side.model)
    return " → ".join(names)


def target_of(one: Comparison) -> str:
    """``onnxruntime int8 ×4``: how it ran."""
    side = one.candidate if one.candidate.runtime else one.reference
    scenario = "" if one.scenario in ("", "latency") else one.scenario
    threads = f"×{side.threads}" if side.threads else ""
    return " ".join(filter(None, (side.runtime, side.precision, threads, scenario)))


def counts(found: Sequence[Comparison]) -> list[Count]:
    """How many say slower, how many that nothing could be told, and so on; and how many are simulated."""
    words = Counter(one.word for one in found)
    order = sorted(words, key=lambda word: ORDER.index(word) if word in ORDER else len(ORDER))
    made_up = sum(bool(one.origin) for one in found)
    return [Count(Mark(word), words[word]) for word in order] + (
        [Count(Mark("simulated"), made_up)] if made_up else []
    )


def reasons(found: Sequence[Comparison]) -> list[str]:
    """Each comparison in a sentence, and what stands against believing it."""
    from farm_results.view import versus

    lines = []
    for one in found:
        lines += [f"{one.device}: {versus.sentence(one)}", *versus.caveat_lines(one)]
    return lines


def charts(found: Sequence[Comparison]) -> list[Chart]:
    """The ratio of candidate to reference with its interval, against a line at 1."""
    parts = [
        read
        for read in (model_of, target_of, lambda one: one.device)
        if len({read(one) for one in found}) > 1
    ]

    def where(one: Comparison) -> str:
        told = " ".join(read(one) for read in parts)
        return f"{told}: " if told else ""

    rows = [
        interval.Row(
            f"{where(one)}{one.candidate.label} over {one.reference.label}",
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


def pairs_chart(one: Comparison, *, name: str = "pairs", title: str = "") -> Chart:
    """Candidate over reference, pair by pair, in the order in which they were measured."""
    rows = [
        interval.Row(f"pair {number}", after / before, word="", origin=one.origin)
        for number, _, before, after in pairs_of(one)
        if before > 0
    ]
    title = title or "Candidate over reference, pair by pair"
    drawn = interval.chart(rows, name=name, title=title, ratio=True)
    return Chart(name, title, drawn.option, pairs_grid(one), drawn.note, drawn.height_px, drawn.log_axis)


def pairs_grid(one: Comparison) -> Grid:
    """Both medians of each pair."""
    rows = [
        (number, first, before, after, after / before - 1 if before > 0 else None)
        for number, first, before, after in pairs_of(one)
    ]
    columns = {"pair": "count", "first": "text", "reference": "ns5", "candidate": "ns5", "change": "change"}
    return grid(columns, rows, "each number is the median of one fresh process")


def pairs_of(one: Comparison) -> list[tuple[int, str, float, float]]:
    """(number, which side ran first, median of the reference, of the candidate) of each pair."""
    both = list(zip(one.reference.medians_ns, one.candidate.medians_ns, strict=False))
    turns = zip_longest(both, one.order[: len(both)], fillvalue="")
    return [
        (number, FIRST.get(str(order), ""), float(pair[0]), float(pair[1]))
        for number, (pair, order) in enumerate(turns, 1)
    ]
