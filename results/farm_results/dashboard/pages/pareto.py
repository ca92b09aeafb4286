"""What one pays for what: every configuration's newest numbers, limits, what is feasible, how to get it."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace

from farm_agent import precisions
from farm_results.dashboard.blocks import Block, Charted, Command, Field, Filters, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.query import Query
from farm_results.dashboard.rows import (
    Line,
    lines,
    newest_ok,
    simulated,
    to_device,
    to_result,
    with_shares,
)
from farm_results.history import points
from farm_results.pages.charts import pareto as chart
from farm_results.pages.grid import Link, grid
from farm_results.series import SeriesKey

PATHS = ("/pareto",)
NAV = (8, "Pareto")
MOST_SERIES = 500
CONVERTED_HERE = ("onnx", "openvino", "tflite")
CALIBRATION = ("--calib", "samples.npz")


@dataclass(frozen=True)
class Limit:
    """A bound on one axis of ``chart.AXES``, in the unit that people give it in."""

    name: str
    axis: str
    label: str


LIMITS = (
    Limit("p50", "p50_ns", "p50 at most"),
    Limit("energy", "energy_j", "Energy at most"),
    Limit("memory", "peak_memory_bytes", "Peak memory at most"),
    Limit("size", "artifact_bytes", "Size at most"),
    Limit("accuracy", "accuracy", "Accuracy at least"),
)


def page(view: View) -> Page:
    """Of a model (and a device), or of one run; the newest ok result of each configuration."""
    query = view.query
    run = query.text("run")
    whole = _of_run(view, run) if run else None
    series = points.series_rows(view.store, limit=2000) if whole is None else []
    keys: Sequence[Line | SeriesKey] = [one.key for one in series] if whole is None else whole
    models, devices = _names(keys, "model"), _names(keys, "device")
    # One model at a time: what another one costs is no choice.
    model = query.choice("model", models) or (keys[0].model if keys else "")
    device = query.choice("device", devices)
    found = with_shares(view.store, _lines(view, whole, model, device))
    items = [_item(line) for line in found]
    sliders = {limit.name: slider for limit in LIMITS if (slider := _slider(limit, items, query)) is not None}
    bounds = {name: float(slider.value) for name, slider in sliders.items() if slider.value != _loose(slider)}
    feasible = [item for item in items if _fits(item, bounds)]
    fields = (
        Field("model", "Model", model, "select", models, nothing="the newest"),
        Field("device", "Device", device, "select", devices),
        *sliders.values(),
        *((Field("run", "Run", run),) if run else ()),
    )
    blocks: list[Block] = [Filters(query.path, fields, "Show", live=True)]
    if bounds:
        blocks.append(Links((Link("Without limits", query.url(**dict.fromkeys(sliders))),)))
    blocks.append(_words(items, feasible, bounds))
    shown = feasible if bounds else items
    if shown:
        blocks.append(Charted(chart.chart(shown)))
    blocks += _choice(shown, {line.job_id: line for line in found})
    return Page(
        "Pareto", tuple(blocks), simulated=simulated(found), subtitle=f"Model {model}" if model else ""
    )


def _names(keys: Sequence[Line | SeriesKey], field: str) -> tuple[str, ...]:
    return tuple(sorted({getattr(one, field) for one in keys}))[:500]


def _of_run(view: View, run: str) -> list[Line]:
    return lines(view.store, run_id=view.store.find_run(run), status="ok", limit=MOST_SERIES)


def _lines(view: View, whole: Sequence[Line] | None, model: str, device: str) -> list[Line]:
    """Of a run, or else the newest of each series."""
    if whole is not None:
        return [
            line
            for line in whole
            if (not model or line.model == model) and (not device or line.device == device)
        ]
    rows = points.series_rows(view.store, model=model or None, device=device or None, limit=MOST_SERIES)
    return newest_ok(view.store, [row.last_ok_job_id for row in rows], most=MOST_SERIES)


def _item(line: Line) -> chart.Item:
    found = {
        line.metric: line.value if chart.comparable(line.metric, line.scenario) else None,
        "energy_j": line.energy_j,
        "artifact_bytes": line.artifact_bytes,
        "peak_memory_bytes": line.peak_memory_bytes,
        "accuracy": line.accuracy,
    }
    values = {name: float(value) for name, value in found.items() if value is not None and name in chart.AXES}
    return chart.Item(
        f"{line.device} {line.target}",
        line.device,
        values,
        line.marks,
        line.verdict or line.status,
        line.job_id,
    )


def _fits(item: chart.Item, bounds: dict[str, float]) -> bool:
    """What was not measured is not known to keep a limit."""
    for limit in LIMITS:
        bound, axis = bounds.get(limit.name), chart.AXES[limit.axis]
        if bound is None:
            continue
        value = item.values.get(limit.axis)
        if value is None:
            return False
        least = axis.better == chart.HIGHER
        in_unit = value / axis.scale
        if (in_unit < bound) if least else (in_unit > bound):
            return False
    return True


def _slider(limit: Limit, items: Sequence[chart.Item], query: Query) -> Field | None:
    """From the smallest to the largest value there is, and to the one that is asked for."""
    axis = chart.AXES[limit.axis]
    known = [item.values[limit.axis] / axis.scale for item in items if limit.axis in item.values]
    given = query.number(limit.name)
    if not known or (given is None and min(known) == max(known)):
        return None
    ends = known if given is None else [*known, given]
    low, high = _rounded(min(ends), up=False), _rounded(max(ends), up=True)
    field = Field(limit.name, limit.label, "", "range", least=low, most=high, unit=axis.unit)
    return replace(field, value=_loose(field) if given is None else f"{given:g}")


def _loose(slider: Field) -> str:
    """Where a slider limits nothing: there, also what was not measured stays in."""
    least = next(
        chart.AXES[limit.axis].better == chart.HIGHER for limit in LIMITS if limit.name == slider.name
    )
    return f"{slider.least if least else slider.most:g}"


def _rounded(value: float, *, up: bool) -> float:
    """To three digits, outwards: the slider's ends leave nothing out."""
    if value <= 0:
        return 0.0
    digits = f"{value * (1.0005 if up else 0.9995):.3g}"
    return (
        float(digits) if (float(digits) >= value) == up else float(f"{value * (1.005 if up else 0.995):.3g}")
    )


def _words(items: Sequence[chart.Item], feasible: Sequence[chart.Item], bounds: dict[str, float]) -> Note:
    if not items:
        return Note("Nothing was measured of this.", "warn")
    if not bounds:
        return Note(f"{len(items)} configurations; limits leave those that you can use.")
    level = "good" if feasible else "warn"
    return Note(f"{len(feasible)} of {len(items)} configurations keep the limits.", level)


def _choice(shown: Sequence[chart.Item], by_job: dict[str, Line]) -> list[Block]:
    names = [name for name in chart.AXES if any(name in item.values for item in shown)]
    best = chart.front(shown, names)
    columns = {"verdict": "marks", "configuration": "text", "device": "text"}
    columns |= {chart.AXES[name].name: chart.AXES[name].kind for name in names}
    columns |= {"best": "text"}
    rows = [
        (
            item.marks,
            to_result(item.job_id, by_job[item.job_id].target),
            to_device(item.group),
            *(item.values.get(name) for name in names),
            "yes" if good else "",
        )
        for item, good in zip(shown, best, strict=True)
    ]
    note = "best: no other believed one is at least as good in all columns and better in one"
    blocks: list[Block] = [
        Table("configurations", "Configurations", grid(columns, rows, note), "none keeps them")
    ]
    front = [item for item, good in zip(shown, best, strict=True) if good and "p50_ns" in item.values]
    if front:
        fastest = by_job[min(front, key=lambda item: item.values["p50_ns"]).job_id]
        blocks += [Command(title, command) for title, command in _commands(fastest)]
    return blocks


def _commands(line: Line) -> list[tuple[str, str]]:
    """Names come from a store: each is one word of the command, whatever is in it."""
    file, what = f"{line.model}.onnx", f"the fastest of the best ({line.device} {line.target})"
    convert = ["farm", "convert", file, "--to", line.format, "--precision", line.precision]
    bench = ["farm", "bench", file, "-d", line.device, "-r", line.runtime, "-p", line.precision]
    if precisions.of(line.precision).calibrated:
        convert += CALIBRATION
        bench += CALIBRATION
    measure = ("To measure it again", shlex.join([*bench, "--threads", str(line.threads)]))
    if line.format not in CONVERTED_HERE:
        return [measure]  # its engine is built on the device that runs it
    return [(f"To use {what}", shlex.join(convert)), measure]
