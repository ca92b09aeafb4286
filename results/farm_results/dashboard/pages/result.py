"""Everything that is known of one result: numbers, samples, conditions, conversion, environment."""

from __future__ import annotations

from farm_results import report
from farm_results.dashboard.blocks import Block, Detailed, Download, Links, Page
from farm_results.dashboard.pages import View
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import to_device, to_model, to_result, to_run, to_series
from farm_results.history import baselines
from farm_results.layers import profile_of
from farm_results.model import Result
from farm_results.pages.grid import Link
from farm_results.pages.sections.result import detail
from farm_results.pages.sections.samples import samples_of
from farm_results.series import key_of, series_id

PATHS = ("/results/{job:whole}",)


def page(view: View) -> Page | Download:
    """By its job's id or a unique beginning of it. ``as=json``: its whole record."""
    store = view.store
    result = store.result(view.parts["job"])
    if view.query.choice("as", ("json",)) == "json":
        text = str(report.load("json").render([result]))
        return Download(text.encode("utf-8", "backslashreplace"), "application/json", f"{result.job_id}.json")
    processes, problem = samples_of(store.objects, result)
    made = detail(result, processes, problem, anchor="result")
    blocks: tuple[Block, ...] = (Links(_links(view, result)), Detailed(made))
    return Page(made.title, blocks, simulated=bool(result.origin))


def _links(view: View, result: Result) -> tuple[Link, ...]:
    series = series_id(key_of(result))
    address = to_result(result.job_id).href
    found = [
        Link(f"run {result.run_id}", to_run(result.run_id).href),
        to_device(result.device),
        to_model(result.model),
        Link("Trend", to_series(series).href),
        Link("JSON", link(address, **{"as": "json"})),
    ]
    held = baselines.current(view.store, series)
    if held is not None and held.job_id != result.job_id:
        found.append(Link("Compare with the baseline", link("/compare", a=held.job_id, b=result.job_id)))
    if profile_of(result) is not None:
        found.append(Link("Layers", link("/layers", job=result.job_id)))
    return tuple(found)
