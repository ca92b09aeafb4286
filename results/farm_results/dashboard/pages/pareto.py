"""What one pays for what: every configuration's newest numbers, limits, what is feasible, how to get it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from farm_agent import precisions
from farm_results.dashboard import configurations
from farm_results.dashboard.blocks import Block, Charted, Command, Field, Filters, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.query import Query
from farm_results.dashboard.rows import Line, lines, simulated, to_device, to_result
from farm_results.pages.charts import pareto as chart
from farm_results.pages.charts.items import AXES, ENERGY, HIGHER, Item, front, kinds_of, places
from farm_results.pages.grid import Link, grid

PATHS = ("/pareto",)
NAV = (8, "Pareto")
CONVERTED_HERE = ("onnx", "openvino", "tflite")
CALIBRATION = ("--calib", "samples.npz")


@dataclass(frozen=True)
class Limit:
    """A bound on one of ``AXES``, in the unit that people give it in."""

    name: str
    axis: str
    label: str


LIMITS = (
    Limit("p50", "p50_ns", "p50 at most"),
    Limit("energy", ENERGY, "Energy at most"),
    Limit("memory", "peak_memory_bytes", "Peak memory at most"),
    Limit("size", "artifact_bytes", "Size at most"),
    Limit("accuracy", "accuracy", "Accuracy at least"),
)


def page(view: View) -> Page:
    """Of a model (and a device), or of one run; the newest ok result of each configuration."""
    query = view.query
    run = query.text("run")
    whole = _of_run(view, run) if run else None
    known = configurations.choices(view.store) if whole is None else configurations.of_run(whole)
    # One model at a time: what another one costs is no choice.
    model = query.choice("model", known.models) or known.newest
    device = query.choice("device", known.devices)
    found = _lines(view, whole, model, device)
    items = configurations.items(view.store, found)
    where = places(items)
    # One place at a time: what a whole board draws is no more or less than what its processor does.
    place = query.choice("place", where) or next(iter(where), "")
    items = [item.at(place) for item in items]
    kinds = kinds_of(items, place)
    sliders = {
        limit.name: slider for limit in LIMITS if (slider := _slider(limit, items, query, kinds)) is not None
    }
    bounds = {name: float(slider.value) for name, slider in sliders.items() if slider.value != _loose(slider)}
    feasible = [item for item in items if _fits(item, bounds, kinds)]
    fields = (
        Field("model", "Model", model, "select", known.models, nothing="the newest"),
        Field("device", "Device", device, "select", known.devices),
        *sliders.values(),
        *(
            (Field("place", "Energy of", place, "select", tuple(where), nothing="what most have"),)
            if len(where) > 1
            else ()
        ),
        *((Field("run", "Run", run),) if run else ()),
    )
    blocks: list[Block] = [Filters(query.path, fields, "Show", live=True)]
    if bounds:
        blocks.append(Links((Link("Without limits", query.url(**dict.fromkeys(sliders))),)))
    blocks.append(_words(items, feasible, bounds))
    if len(where) > 1:
        blocks.append(
            Note(f"Energies of {', '.join(where)} are different things: none is held against another.")
        )
    shown = feasible if bounds else items
    if shown:
        blocks.append(Charted(chart.chart(shown, place=place)))
    blocks += _choice(shown, {line.job_id: line for line in found})
    return Page(
        "Pareto", tuple(blocks), simulated=simulated(found), subtitle=f"Model {model}" if model else ""
    )


def _of_run(view: View, run: str) -> list[Line]:
    return lines(view.store, run_id=view.store.find_run(run), status="ok", limit=configurations.MOST)


def _lines(view: View, whole: Sequence[Line] | None, model: str, device: str) -> list[Line]:
    """Of a run, or else the newest of each series."""
    if whole is None:
        return configurations.newest(view.store, model, device)
    return [
        line for line in whole if (not model or line.model == model) and (not device or line.device == device)
    ]


def _known(item: Item, axis: str, kinds: Mapping[str, str]) -> float | None:
    """A number that may be held against a bound: no energy of another place, no accuracy of other metrics."""
    return item.values.get(axis) if item.kind(axis) == kinds.get(axis, "") else None


def _fits(item: Item, bounds: dict[str, float], kinds: Mapping[str, str]) -> bool:
    """What was not measured is not known to keep a limit."""
    for limit in LIMITS:
        bound, axis = bounds.get(limit.name), AXES[limit.axis]
        if bound is None:
            continue
        value = _known(item, limit.axis, kinds)
        if value is None:
            return False
        least = axis.better == HIGHER
        in_unit = value / axis.scale
        if (in_unit < bound) if least else (in_unit > bound):
            return False
    return True


def _slider(limit: Limit, items: Sequence[Item], query: Query, kinds: Mapping[str, str]) -> Field | None:
    """From the smallest to the largest value there is, and to the one that is asked for."""
    axis = AXES[limit.axis]
    values = [_known(item, limit.axis, kinds) for item in items]
    known = [value / axis.scale for value in values if value is not None]
    given = query.number(limit.name)
    if not known or (given is None and min(known) == max(known)):
        return None
    ends = known if given is None else [*known, given]
    low, high = _rounded(min(ends), up=False), _rounded(max(ends), up=True)
    label = f"{limit.label} ({kinds[limit.axis]})" if kinds.get(limit.axis) else limit.label
    field = Field(limit.name, label, "", "range", least=low, most=high, unit=axis.unit)
    return replace(field, value=_loose(field) if given is None else f"{given:g}")


def _loose(slider: Field) -> str:
    """Where a slider limits nothing: there, also what was not measured stays in."""
    least = next(AXES[limit.axis].better == HIGHER for limit in LIMITS if limit.name == slider.name)
    return f"{slider.least if least else slider.most:g}"


def _rounded(value: float, *, up: bool) -> float:
    """To three digits, outwards: the slider's ends leave nothing out."""
    if value <= 0:
        return 0.0
    digits = f"{value * (1.0005 if up else 0.9995):.3g}"
    return (
        float(digits) if (float(digits) >= value) == up else float(f"{value * (1.005 if up else 0.995):.3g}")
    )


def _words(items: Sequence[Item], feasible: Sequence[Item], bounds: dict[str, float]) -> Note:
    if not items:
        return Note("Nothing was measured of this.", "warn")
    if not bounds:
        many = f"{len(items)} configuration{'s' * (len(items) != 1)}"
        return Note(f"{many}; limits leave those that you can use.")
    level = "good" if feasible else "warn"
    verb = "keeps" if len(feasible) == 1 else "keep"
    return Note(f"{len(feasible)} of {len(items)} configurations {verb} the limits.", level)


def _choice(shown: Sequence[Item], by_job: dict[str, Line]) -> list[Block]:
    best = front(shown, [name for name in AXES if any(name in item.values for item in shown)])
    own = chart.columns_of(shown)
    columns = {"verdict": "marks", "configuration": "text", "device": "text", **own, "best": "text"}
    rows = [
        (
            item.marks,
            to_result(item.job_id, by_job[item.job_id].target),
            to_device(item.group),
            *chart.cells_of(item, own),
            "yes" if good else "",
        )
        for item, good in zip(shown, best, strict=True)
    ]
    alone = all(len({item.kind(axis) for item in shown if axis in item.values}) <= 1 for axis in AXES)
    apart = "" if alone else ", its energy of the same place and its accuracy of the same metric,"
    note = f"best: no other believed one{apart} is at least as good in all columns and better in one"
    blocks: list[Block] = [
        Table("configurations", "Configurations", grid(columns, rows, note), "no configuration is left")
    ]
    able = [item for item, good in zip(shown, best, strict=True) if good and "p50_ns" in item.values]
    if able:
        fastest = by_job[min(able, key=lambda item: item.values["p50_ns"]).job_id]
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
