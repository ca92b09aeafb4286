"""One file of HTML that holds everything: styles, charts, tables. It loads nothing and works offline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from farm_results.model import Result, Run
from farm_results.pages.sections.against import Against
from farm_results.pages.sections.result import BRIEF, FULL, PLAIN

if TYPE_CHECKING:
    from markupsafe import Markup

    from farm_results.comparison import Comparison
    from farm_results.pages.chart import Chart
    from farm_results.pages.grid import Grid
    from farm_results.storage.objects import Objects

SUFFIX = "html"
LIMIT_BYTES = 2_000_000
# What a page keeps for what comes after the results' own parts.
RESERVE_BYTES = 20_000
MOST_DETAILS = 200


@dataclass(frozen=True)
class Sources:
    """Where a report takes what the results alone do not hold. ``unfinished``: what the run lacks."""

    run: Run | None = None
    objects: Objects | None = None
    comparisons: tuple[Comparison, ...] = ()
    against: Against | None = None
    unfinished: str = ""
    version: str = ""
    now_unix_s: float | None = None


def render(results: Sequence[Result]) -> str:
    """A report of the results alone, without their raw samples."""
    return page(results, Sources())


def page(results: Sequence[Result], sources: Sources, *, limit_bytes: int = LIMIT_BYTES) -> str:
    """The whole file, at most ``limit_bytes``: where results are many, charts get coarser, then are left
    out, and the page says so."""
    from farm_results.pages.environment import render as fill

    values = _values(results, sources)
    bare = fill("report.html", **values, details=[], shortened="")
    room = limit_bytes - RESERVE_BYTES - len(bare.encode())
    details, shortened = _details(results, sources, room)
    values["grid"] = _grid(results, len(details))
    return fill("report.html", **values, details=details, shortened=shortened)


def _values(results: Sequence[Result], sources: Sources) -> dict[str, Any]:
    from farm_results.pages import assets, filters
    from farm_results.pages.sections import compared, origin, overview

    turns = sources.comparisons
    times = [one.created_unix_s for one in results] + [one.created_unix_s for one in turns]
    first, last = min(times, default=None), max(times, default=None)
    names = [result.model for result in results] or [one.candidate.model for one in turns]
    models = list(dict.fromkeys(filters.foreign(name, 60) for name in names))
    named = ", ".join(models[:3]) + (f" and {len(models) - 3} more" if len(models) > 3 else "")
    kind = "Results" if results else "Measured in turns"
    changes = sources.against
    return {
        **assets.inline("echarts"),
        "title": f"{kind} · {named}" if times else "No results",
        "simulated": any(one.origin for one in results) or any(one.origin for one in turns),
        "when": filters.when(first) + (f" to {filters.when(last)}" if last != first else ""),
        "run": sources.run,
        "unfinished": sources.unfinished,
        "counts": overview.counts(results) if results else compared.counts(turns),
        "grid": _grid(results, MOST_DETAILS),
        "reasons": overview.reasons(results),
        "charts": overview.charts(results),
        "comparisons": compared.table_of(turns) if turns else None,
        "comparison_reasons": compared.reasons(turns),
        "comparison_charts": _turns(turns),
        "changes": changes.grid(results) if changes is not None else None,
        "against": changes.name if changes is not None else "",
        "run_pairs": origin.run_pairs(sources.run) if sources.run else [],
        "run_command": origin.command_of(sources.run) if sources.run else "",
        "devices": origin.devices(results),
        "version": sources.version,
        "when_written": filters.when(time.time() if sources.now_unix_s is None else sources.now_unix_s),
    }


def _turns(found: Sequence[Comparison]) -> list[Chart]:
    """All comparisons in one chart, and the pairs of the first few; of many, only where something differs."""
    from farm_results.comparison import SAME
    from farm_results.pages.sections import compared

    paired = [one for one in found if one.reference.medians_ns and (len(found) < 3 or one.word != SAME)]
    paired, several = paired[: compared.MOST_PAIRED], len(found) > 1
    return compared.charts(found) + [
        compared.pairs_chart(
            one,
            name=f"pairs-{number}",
            title=f"{one.device}: {one.candidate.label} over {one.reference.label}, pair by pair"
            if several
            else "",
        )
        for number, one in enumerate(paired)
    ]


def _grid(results: Sequence[Result], parts: int) -> Grid:
    """The table; the first ``parts`` of its rows lead to a part of their own."""
    from farm_results.pages.sections import overview

    anchors = {result.job_id: f"#r{number}" for number, result in enumerate(results[:parts])}
    return overview.results_grid(results, lambda result: anchors.get(result.job_id, ""), MOST_DETAILS)


def _details(results: Sequence[Result], sources: Sources, room: int) -> tuple[list[Markup], str]:
    """Each result as rich as the room allows: all get their numbers before any gets charts."""
    plain = [_part(result, sources, number, PLAIN) for number, result in enumerate(results[:MOST_DETAILS])]
    sizes = [len(part.encode()) for part in plain]
    while plain and sum(sizes) > room:
        plain.pop()
        sizes.pop()
    left = room - sum(sizes)
    drawn = 0
    for number, result in enumerate(results[: len(plain)]):
        for slices in (FULL, BRIEF) if len(plain) <= 12 else (BRIEF,):
            part = _part(result, sources, number, slices)
            more = len(part.encode()) - sizes[number]
            if more <= left:
                plain[number] = part
                left -= more
                drawn += 1
                break
    return plain, _shortened(results, len(plain), drawn)


def _shortened(results: Sequence[Result], shown: int, drawn: int) -> str:
    said = []
    if shown < len(results):
        said.append(f"{len(results) - shown} of {len(results)} results are in no part of their own")
    if drawn < shown:
        said.append(f"{shown - drawn} have their numbers without charts")
    return f"To keep this file small, {' and '.join(said)}: farm report JOB shows one." if said else ""


def _part(result: Result, sources: Sources, number: int, slices: int) -> Markup:
    from farm_results.pages.environment import environment
    from farm_results.pages.sections.result import detail
    from farm_results.pages.sections.samples import samples_of

    processes, problem = samples_of(sources.objects, result) if slices else ([], "")
    anchor = f"r{number}"
    extra = sources.against.charts(result, anchor) if sources.against is not None and slices else ()
    made = detail(result, processes, problem, anchor=anchor, slices=slices, extra=extra)
    if not slices and result.sample_hashes:
        made = replace(made, problem="")
    from markupsafe import Markup

    module: Any = environment().get_template("_result.html").module
    return Markup(module.result(made))  # noqa: S704 - of a template that escapes
