"""Charts are plain JSON, bounded, and never lose an extreme, a failed night or a mark."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_results.model import Energy, Verdict
from farm_results.pages.chart import Chart
from farm_results.pages.charts import bars, ecdf, histogram, interval, layers, pareto, timeline, trend
from farm_results.pages.charts.items import Item, front, item_of, places
from farm_results.pages.charts.joined import joined
from farm_results.pages.environment import data
from farm_results.pages.grid import csv_text
from farm_results.pages.marks import marks_of
from farm_results.pages.sections.samples import samples_of
from farm_results.point import Point
from tests.results import made
from tests.results.pages import stage


def points(count: int, **changes: Any) -> list[Point]:
    """A point a day."""
    base = Point("job", "run", 0.0, "ok", "valid", 5e6, 4.9e6, 5.1e6, 0.01, "seg", "m", "a", "1.0")
    rng = np.random.default_rng(1)
    values = 5e6 * (1 + 0.02 * rng.standard_normal(count))
    return [
        replace(base, job_id=f"job-{i}", at_unix_s=86_400.0 * i, value=float(values[i]), **changes)
        for i in range(count)
    ]


def plain(chart: Chart) -> dict[str, Any]:
    """Its option as a browser gets it; fails for what JSON cannot hold."""
    read: dict[str, Any] = json.loads(data(chart.option))
    return read


def drawn(chart: Chart, kind: str) -> list[list[float]]:
    """The data of every series of a kind."""
    return [row for one in plain(chart)["series"] if one["type"] == kind for row in one["data"]]


def test_slices_keep_the_lowest_and_the_highest_value() -> None:
    """A million values become a few hundred, and the one stall among them is still there."""
    rng = np.random.default_rng(0)
    values = rng.normal(5.0, 0.1, 1_000_000)
    values[777_777], values[3] = 900.0, 0.5

    slices = joined(np.arange(1_000_000), values, 240)

    assert len(slices) == 240
    assert max(one.high for one in slices) == 900.0
    assert min(one.low for one in slices) == 0.5
    assert sum(one.count for one in slices) == 1_000_000


def test_slices_leave_out_what_is_no_number() -> None:
    """NaN and infinities of a broken sensor neither count nor poison their slice."""
    assert joined(np.arange(4), np.array([np.nan, 1.0, np.inf, 2.0]), 10)[0].low == 1.0
    assert joined(np.arange(2), np.array([np.nan, np.nan]), 10) == []
    assert joined(np.array([]), np.array([]), 10) == []


def test_every_run_is_in_the_histogram() -> None:
    """Slow runs share the last bar, and the note says how many and how slow."""
    taken = np.concatenate([np.random.default_rng(0).normal(5e6, 1e4, 5000), [4e7, 9e7]])

    chart = histogram.chart([taken[:2000], taken[2000:]])

    assert sum(row[2] for row in chart.grid.rows) == 5002
    assert sum(plain(chart)["series"][0]["data"]) == 5002
    assert "the 2 slower runs, up to 90.0 ms" in chart.note


@pytest.mark.parametrize("taken", [[5.0] * 9, [7.0], [0.0, 0.0, 1.0]])
def test_a_histogram_of_odd_samples_is_whole(taken: list[float]) -> None:
    """All equal, a single one, a zero."""
    chart = histogram.chart([np.array(taken)])
    assert sum(row[2] for row in chart.grid.rows) == len(taken)


def test_shares_end_with_the_slowest_run() -> None:
    """Of many runs even quantiles; the first and the last are the fastest and the slowest."""
    taken = np.random.default_rng(0).normal(5e6, 1e4, 50_000)
    steps = ecdf.quantiles(taken, 120)
    assert len(steps) == 120
    assert steps[0][0] == taken.min()
    assert steps[-1] == (taken.max(), 1.0)
    assert len(plain(ecdf.chart([taken] * 30))["series"]) == ecdf.MOST_LINES


def test_the_timeline_puts_latency_temperature_clock_and_power_on_one_axis(tmp_path: Path) -> None:
    """Four panels whose axes are linked; seconds since the first run; a stall stays visible."""
    store = stage.filled(tmp_path)
    processes, problem = samples_of(store.objects, store.result("job-1"))
    assert not problem

    chart = timeline.chart(processes)
    option = plain(chart)

    assert [axis["name"].split(",")[0] for axis in option["yAxis"]] == [
        "latency",
        "temperature",
        "clock",
        "power",
    ]
    assert option["axisPointer"]["link"] == [{"xAxisIndex": "all"}]
    slowest = max(float(process.measured.latency_ns().max()) for process in processes) / 1e6
    assert max(row[2] for row in drawn(chart, "custom")) == pytest.approx(slowest, rel=1e-5)
    assert min(row[0] for row in drawn(chart, "line")) >= 0
    assert {row[1] for row in chart.grid.rows} == {"latency", "temperature", "clock", "power"}
    assert len(timeline.chart(processes, slices=60).grid.rows) < len(chart.grid.rows)
    store.close()


def test_a_trend_is_bounded_and_keeps_its_extremes() -> None:
    """Of a hundred thousand nights a thousand points are drawn, the worst one among them."""
    found = points(100_000)
    found[51_234] = replace(found[51_234], value=9e7)
    found[40_000] = replace(found[40_000], value=None, status="failed", verdict="")

    shown = trend.kept(found, trend.MOST_POINTS)

    assert len(shown) <= trend.MOST_POINTS
    assert max(point.value or 0.0 for point in shown) == 9e7
    assert any(point.status == "failed" for point in shown)
    assert [point.at_unix_s for point in shown] == sorted(point.at_unix_s for point in shown)


def test_a_trend_shows_band_steps_verdicts_and_simulations() -> None:
    """What is noisy or simulated says so in the legend and in the table."""
    found = points(30, origin="simulated")
    found[7] = replace(found[7], verdict="noisy")
    steps = [trend.Step(86_400.0 * 9, "+3.1 % runtime 1.0 → 1.1")]
    band = trend.Band(5e6, 4.9e6, 5.1e6)

    chart = trend.chart(found, metric="p50_ns", band=band, steps=steps)
    text = data(chart.option)

    assert "noisy SIMULATED" in text
    assert "+3.1 % runtime 1.0 → 1.1" in text
    assert plain(chart)["series"][-2]["markArea"]["data"] == [[{"yAxis": 4.9}, {"yAxis": 5.1}]]
    assert "SIMULATED NOISY" in csv_text(chart.grid)


def test_a_trend_has_no_line_where_nothing_is_known() -> None:
    """A failed night breaks the line and has its own mark; so does a change of the surroundings."""
    found = points(9)
    found[3] = replace(found[3], value=None, status="failed", verdict="")
    found[6:] = [replace(point, segment="other") for point in found[6:]]

    chart = trend.chart(found, metric="p50_ns")
    line = plain(chart)["series"][0]["data"]

    assert [value is None for _, value in line] == [False] * 3 + [True] + [False] * 2 + [True] + [False] * 3
    assert "failed, no number" in plain(chart)["legend"]["data"]


def test_the_front_is_what_nothing_beats() -> None:
    """Lower latency is better, higher accuracy is; what may not be believed beats nothing."""

    def item(name: str, latency: float, accuracy: float, word: str = "valid") -> Item:
        values = {"p50_ns": latency, "accuracy": accuracy}
        return Item(name, "pi", values, marks_of(made.result()), word)

    items = [
        item("fast", 1e6, 0.90),
        item("good", 5e6, 0.99),
        item("beaten", 6e6, 0.95),
        item("twin", 1e6, 0.90),
        item("lie", 1e3, 1.0, "invalid"),
        Item("unknown", "pi", {"p50_ns": 1.0}, marks_of(made.result())),
    ]
    assert front(items, ("p50_ns", "accuracy")) == [True, True, False, True, False, False]


def test_a_time_stands_only_beside_times_of_the_same_scenario() -> None:
    """And a throughput on the axis of its own."""
    fast = made.result("fast", scenario="throughput", metrics={"throughput_best_per_s": 210.0})
    paced = made.result("paced", scenario="paced")
    items = [item_of(one, one.job_id) for one in (fast, paced, made.result("plain"))]
    assert ["p50_ns" in item.values for item in items] == [False, False, True]
    assert pareto.axes_of(items[:1]) == ("throughput_best_per_s", "peak_memory_bytes")
    assert items[0].values["throughput_best_per_s"] == 210.0


def test_pareto_marks_what_is_not_simply_valid() -> None:
    """A dot that is noisy or simulated carries the word; one without both numbers is in the table."""
    results = [
        made.result("job-1", accuracy=0.9, accuracy_metric="top-1"),
        made.result(
            "job-2", accuracy=0.8, accuracy_metric="top-1", verdict=Verdict("noisy"), origin="simulated"
        ),
        made.result("job-3"),
    ]
    chart = pareto.chart([item_of(one, one.job_id) for one in results])
    text = data(chart.option)
    assert "SIMULATED NOISY job-2" in text
    assert chart.note.startswith("1 without both numbers")
    assert len(chart.grid.rows) == 3


def energies(name: str, p50_ns: float, **joules: float) -> Item:
    """A result whose energy was measured at these scopes, by sensors of one name."""
    entries = tuple(Energy("ina", "total", scope, gross_j=gross_j) for scope, gross_j in joules.items())
    result = made.result(name, device=name, profile="rpi5", energy=entries, artifact_bytes=14_000_000)
    return item_of(replace(result, latency=made.latency(p50_ns=p50_ns)), name)


def test_energies_of_different_places_never_beat_each_other() -> None:
    """What a processor draws is less than what its board does, of which it is a part."""
    board, hungry = energies("board", 1e6, wall=0.9), energies("hungry", 2e6, wall=1.0)
    chip, slow = energies("chip", 3e6, package=0.1), energies("slow", 4e6, package=0.05)
    rails, unknown = energies("rails", 5e6, rail_sum=0.01), energies("odd", 1e6, unknown=0.001)
    items = [board, hungry, chip, slow, rails, unknown]

    assert [item.place for item in items] == [
        *("wall", "wall", "package", "package", "rail_sum (ina total, rpi5)", ""),
    ]
    assert front(items, ("p50_ns", "energy_j")) == [True, False, True, True, True, False]
    assert front(items, ("p50_ns",)) == [True, False, False, False, False, True]


def test_accuracies_of_different_metrics_never_beat_each_other() -> None:
    """A top-5 is no better than the top-1 of the same network; the axis holds what most have."""
    shares = [("a", "top-1", 0.70), ("b", "top-1", 0.72), ("c", "top-5", 0.90), ("d", "mae", 0.1)]
    results = [made.result(name, accuracy_metric=metric, accuracy=value) for name, metric, value in shares]
    items = [item_of(result, result.job_id) for result in results]
    assert front(items, ("p50_ns", "accuracy")) == [False, True, True, False]
    chart = pareto.chart(items)
    assert chart.option["yAxis"]["name"].startswith("accuracy (top-1), %")
    assert "accuracies of another metric (top-5: 1) are in the table only" in chart.note
    assert [row[-3:-1] for row in chart.grid.rows] == [
        *(("top-1", ""), ("top-1", "yes"), ("top-5", "yes"), (None, "")),
    ]
    assert "accuracy is" not in csv_text(pareto.chart(items[:2]).grid)


def test_an_axis_of_energy_has_one_place() -> None:
    """The one with the most numbers, of which it bears the name; another place is a chart of its own, and no
    number is lost from the tables. What was measured at both stands in either."""
    both = energies("both", 1e6, wall=0.9, package=0.3)
    items = [both, energies("x", 2e6, wall=0.8), energies("chip", 3e6, package=0.1)]
    items += [energies("jet", 4e6, module_input=0.01), energies("none", 5e6)]
    assert places(items) == ["wall", "package", "module_input"]

    (first, other) = (pareto.chart(some, place=place) for place, some in pareto.by_place(items))

    def drawn(chart: Chart) -> list[tuple[str, Any]]:
        dots = [one for one in chart.option["series"] if one["type"] == "scatter"]
        return [(one["name"], one["data"][0]["value"][1]) for one in dots]

    assert drawn(first) == [("both", 900.0), ("x", 800.0)]
    assert first.option["yAxis"]["name"].startswith("energy (wall), mJ")
    assert drawn(other) == [("both", 300.0), ("chip", 100.0)]
    assert first.note == (
        "1 without both numbers are in the table only; "
        "energies measured elsewhere (module_input: 1) are in the table only: none compares with wall"
    )
    rows = csv_text(first.grid) + csv_text(other.grid)
    assert all(text in rows for text in ("wall", "0.01,module_input", "0.3,package", "none"))
    lonely = [energies("one", 1e6, wall=0.9), energies("two", 2e6, package=0.1)]
    assert pareto.axes_of(lonely) == ("p50_ns", "peak_memory_bytes")
    assert len(pareto.by_place(lonely)) == 1


def test_layers_say_what_fell_back_and_what_changed() -> None:
    """A fallback stands in its layer's name; the largest change comes first."""
    chart = layers.treemap(stage.profile())
    assert "FELL BACK to cpu: resize" in data(chart.option)
    assert "cpu (fell back)" in csv_text(chart.grid)

    diff = layers.changes(stage.profile(), stage.profile(slower=2.0))
    assert diff.grid.rows[0][0] == "resize"
    assert diff.grid.rows[0][4] == pytest.approx(290.0)


def test_rows_say_in_words_what_is_wrong() -> None:
    """Colour is never alone: the words stand in the labels of intervals and bars."""
    rows = [interval.Row("a", 5e6, 4.9e6, 5.1e6), interval.Row("b", 6e6, word="noisy", origin="simulated")]
    assert plain(interval.chart(rows))["yAxis"]["data"] == ["a", "SIMULATED NOISY b"]
    assert len(plain(interval.chart(rows * 200))["yAxis"]["data"]) == interval.MOST_ROWS
    shown = plain(bars.chart([bars.Bar("m", 14e6), bars.Bar("n", 1.0, "invalid")], kind="bytes"))
    assert shown["yAxis"]["data"] == ["m", "INVALID n"]
    assert shown["series"][0]["data"][0]["label"]["formatter"] == "14.0 MB"


@pytest.mark.parametrize("foreign", made.HOSTILE)
def test_foreign_names_stay_labels(foreign: str) -> None:
    """Whatever a name holds, the option is JSON that cannot end its element, and forges no word of ours."""
    chart = interval.chart([interval.Row(f"@color:bad {foreign}", 1e6), interval.Row(foreign, 2e6)])
    text = data(chart.option)
    json.loads(text)
    assert "</" not in text
    assert "<!--" not in text
    assert '"@color:bad' not in text
