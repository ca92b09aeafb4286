"""What a set of results says at a glance: counts by verdict, one table, reasons, charts of all of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from farm_results.model import Result
from farm_results.pages.chart import Chart
from farm_results.pages.charts import interval, items, pareto
from farm_results.pages.filters import Shown
from farm_results.pages.grid import Column, Grid, Link
from farm_results.pages.marks import Mark, marks_of
from farm_results.report.caveats import lines_of_caveats
from farm_results.report.rows import closed_loop, precision_text, runtime_text, table_of
from farm_results.storage.columns import energy_of

ORDER = ("valid", "noisy", "throttled", "invalid", "failed", "skipped")
_RAW: dict[str, Callable[[Result], float | None]] = {
    "p50": lambda result: _latency(result, "p50_ns"),
    "p99": lambda result: _latency(result, "p99_ns"),
    "between": lambda result: _latency(result, "between_cv"),
    "energy": energy_of,
    "peak memory": lambda result: result.peak_memory_bytes,
    "accuracy": lambda result: result.accuracy,
}
"""What the cells of a table are sorted by, where that is a number."""


@dataclass(frozen=True)
class Count:
    """So many results have this mark."""

    mark: Mark
    count: int


def counts(results: Sequence[Result]) -> list[Count]:
    """By verdict, failed and skipped ones beside them; then how many of all are simulated."""
    words = Counter(r.verdict.word or "unknown" if r.status == "ok" else r.status for r in results)
    order = {word: number for number, word in enumerate(ORDER)}
    found = [Count(Mark(word), words[word]) for word in sorted(words, key=lambda w: order.get(w, 9))]
    made_up = sum(bool(result.origin) for result in results)
    return found + ([Count(Mark("simulated"), made_up)] if made_up else [])


def results_grid(
    results: Sequence[Result], href: Callable[[Result], str] | None = None, most: int = 300
) -> Grid:
    """A row per result with the columns that the terminal shows, each verdict with its marks. ``href``: where
    the first cell leads, "" for nowhere."""
    shown = list(results[:most])
    table = table_of(shown)
    last = len(table.columns) - 1
    first = next((i for i, side in enumerate(table.align) if side == "right"), last)
    columns = [
        Column(name, "shown" if side == "right" else "text")
        for name, side in zip(table.columns[:last], table.align[:last], strict=True)
    ]
    # Beside the names, so that no narrow window leaves it out of sight.
    columns.insert(first, Column("verdict", "marks"))
    sized = any(result.artifact_bytes for result in shown)
    columns += [Column("size", "bytes")] if sized else []
    rows = []
    for result, cells in zip(shown, table.rows, strict=True):
        row: list[Any] = [
            Shown(cell, _RAW[name](result)) if name in _RAW else cell
            for name, cell in zip(table.columns[:last], cells[:last], strict=True)
        ]
        if href is not None and (where := href(result)):
            row[0] = Link(str(row[0]), where)
        row.insert(first, marks_of(result))
        rows.append((*row, *([result.artifact_bytes] if sized else [])))
    left_out = len(results) - len(shown)
    return Grid(tuple(columns), tuple(rows), f"{left_out} more results are not shown" if left_out else "")


def reasons(results: Sequence[Result]) -> list[str]:
    """Why numbers are not simply valid, each reason once."""
    return lines_of_caveats(results)


def charts(results: Sequence[Result]) -> list[Chart]:
    """p50 with intervals, and what one pays for what, where two results or more can be drawn."""
    found = []
    measured = [r for r in results if r.status == "ok" and closed_loop(r) is not None]
    name = namer(results)
    if len(measured) > 1:
        found.append(interval.chart([_row(result, name(result)) for result in measured]))
    by_model: dict[str, list[Result]] = {result.model: [] for result in results}
    for result in results:
        if result.status == "ok":
            by_model[result.model].append(result)
    for number, (model, among) in enumerate(by_model.items()):
        name = namer(among)  # the title names the model
        own = [items.item_of(result, name(result)) for result in among]
        if len([item for item in own if len(item.values) > 1]) > 1:
            title = f"What one pays for what{f': {model}' if len(by_model) > 1 else ''}"
            parts = pareto.by_place(own)
            for part, (place, some) in enumerate(parts):
                told = f"{title}, energy of {place}" if len(parts) > 1 else title
                which = f"pareto-{number}" + (f"-{part}" if part else "")
                found.append(pareto.chart(some, name=which, title=told))
    return found


def namer(among: Sequence[Result]) -> Callable[[Result], str]:
    """What calls a result by that which tells it from the others of its page; those are looked at once."""
    models = len({one.model for one in among}) > 1
    threads = len({one.threads for one in among}) > 1
    batches = len({one.options.get("batch") for one in among}) > 1
    scenarios = len({one.scenario for one in among}) > 1

    def name(result: Result) -> str:
        parts = [result.device, runtime_text(result), precision_text(result)]
        if models:
            parts.insert(0, result.model)
        if threads:
            parts.append(f"{result.threads} threads")
        if batches:
            parts.append(f"batch {result.options.get('batch', '?')}")
        if scenarios:
            parts.append(result.scenario)
        return " ".join(part for part in parts if part)

    return name


def _row(result: Result, name: str) -> interval.Row:
    latency = result.latency
    value = latency.p50_ns if latency is not None else 0.0
    low, high = (latency.p50_low_ns, latency.p50_high_ns) if latency is not None else (None, None)
    word = result.verdict.word or "unknown"
    return interval.Row(name, value, low, high, word, result.origin)


def _latency(result: Result, name: str) -> float | None:
    latency = closed_loop(result)
    return None if latency is None else getattr(latency, name)
