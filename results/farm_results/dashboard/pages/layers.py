"""Where the time of an inference goes, layer by layer, and what differs from another result."""

from __future__ import annotations

from farm_results.dashboard.blocks import Block, Charted, Field, Filters, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import simulated, to_device, to_model, to_result
from farm_results.layers import layer_lines, profile_of, typical_us, units
from farm_results.model import Result
from farm_results.pages.charts import bars
from farm_results.pages.charts import layers as chart
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import marks_of

PATHS = ("/layers",)
NAV = (10, "Layers")
LOOK_AT = 60


def page(view: View) -> Page:
    """Of ``job``; against ``with``. Without a job: which of the newest results have a profile."""
    query, store = view.query, view.store
    job, other = query.text("job"), query.text("with")
    fields = (Field("job", "Job", job), Field("with", "Against", other, unit="another job, or nothing"))
    form = Filters(query.path, fields)
    if not job:
        return _list(view, form)
    result = store.result(job)
    before = store.result(other) if other else None
    blocks: list[Block] = [form, *_profile(result)]
    if before is not None:
        blocks += _against(before, result)
    shown = [one for one in (result, before) if one is not None]
    title = f"{result.model} on {result.device}"
    subtitle = f"{result.runtime} {result.precision}, job {result.job_id}"
    return Page(f"Layers of {title}", tuple(blocks), simulated=simulated(shown), subtitle=subtitle)


def _list(view: View, form: Filters) -> Page:
    newest = view.store.results(limit=LOOK_AT)
    found = [one for one in reversed(newest) if profile_of(one) is not None]
    rows = [
        (
            Link(one.job_id, link("/layers", job=one.job_id)),
            one.created_unix_s,
            to_model(one.model),
            to_device(one.device),
            f"{one.runtime} {one.precision}",
            marks_of(one),
        )
        for one in found
    ]
    columns = {
        "job": "text",
        "when": "time",
        "model": "text",
        "device": "text",
        "target": "text",
        "verdict": "marks",
    }
    empty = f"none of the newest {len(newest)} results has one" if newest else "none yet"
    empty += ": farm bench --profile-ops times layers"
    table = Table("profiles", "Results with a profile", grid(columns, rows), empty)
    return Page("Layers", (form, table), simulated=simulated(found))


def _profile(result: Result) -> list[Block]:
    profile = profile_of(result)
    links = Links((to_result(result.job_id, "The whole result"),))
    if profile is None or not profile.layers:
        lines = layer_lines(result) or [
            "this result has no profile: farm bench --profile-ops times its layers"
        ]
        return [links, *(Note(line, "warn") for line in lines)]
    blocks: list[Block] = [links, *(Note(line.removeprefix("layers: ")) for line in layer_lines(result))]
    rows = [
        (one.name or "–", one.layers, one.share, "fell back" if one.fallback else "")
        for one in units(profile)
    ]
    columns = {"unit": "text", "layers": "count", "share of the time": "share", "": "text"}
    blocks.append(Table("units", "Which unit ran what", grid(columns, rows)))
    by_operator: dict[str, float] = {}
    for layer in profile.layers:
        if layer.mean_us is not None:
            name = layer.op_type or "other"
            by_operator[name] = by_operator.get(name, 0.0) + typical_us(layer)
    order = sorted(by_operator.items(), key=lambda item: -item[1])
    own = [bars.Bar(name, value) for name, value in order]
    blocks.append(Charted(chart.treemap(profile)))
    blocks.append(Charted(bars.chart(own, kind="us", name="operators", title="Time by kind of operator")))
    return blocks


def _against(before: Result, after: Result) -> list[Block]:
    old, new = profile_of(before), profile_of(after)
    if old is None or new is None:
        return [Note("One of the two has no profile.", "warn")]
    return [Charted(chart.changes(old, new))]
