"""One series over its nights: levels, baseline, what nights found, and what people make of it."""

from __future__ import annotations

from collections.abc import Sequence

from farm_agent.errors import UsageError
from farm_results.dashboard.blocks import Block, Charted, Facts, Links, Note, Page, Table
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.run import comparisons_table
from farm_results.dashboard.query import link
from farm_results.dashboard.rows import to_device, to_finding, to_model, to_result
from farm_results.dashboard.triage import triage_of
from farm_results.detect import mde, noise
from farm_results.detect.changepoints import ChangePoint, change_points, segment_starts
from farm_results.detect.silence import silence
from farm_results.finding import Finding
from farm_results.history import baselines, comparisons, findings, points
from farm_results.pages.charts import trend as chart
from farm_results.pages.filters import Shown, cell, change, share, when
from farm_results.pages.grid import Link, grid
from farm_results.pages.marks import marks
from farm_results.point import Point
from farm_results.text import threads_text

PATHS = ("/trend/{series:whole}",)
USUAL_POINTS, MOST_POINTS = 1000, 10_000
DECIDED = 3


def page(view: View) -> Page:
    """By the series' id. ``points``: how many of the newest are read."""
    store, series = view.store, view.parts["series"]
    row = points.series_row(store, series)
    if row is None:
        raise UsageError(
            f"no series is called {series[:40]!r}", code="results.unknown-series", fix="see /trend"
        )
    most = view.query.integer("points", USUAL_POINTS, 1, MOST_POINTS)
    known = points.points(store, series, limit=most)
    found = findings.of_series(store, series, limit=50)
    history = baselines.history(store, series, limit=50)
    changes = change_points(known)
    key = row.key
    title = f"{key.model} on {key.device}"
    subtitle = f"{key.runtime} {key.precision}, {threads_text(key.threads)}, {key.scenario}, {key.format}"
    if key.options:
        subtitle += ", " + " ".join(f"{name}={value}" for name, value in key.options.items())
    kind = "ns" if row.metric.endswith("_ns") else "number"
    blocks: list[Block] = [
        Links((to_device(key.device), to_model(key.model), *_neighbours(changes))),
        Facts("", _facts(known, row.metric, kind)),
    ]
    fell_silent = silence(known, view.now_unix_s)
    if fell_silent is not None:
        text = f"This series fell silent: the last number is of {when(fell_silent.last_unix_s)}, the next one"
        blocks.append(Note(f"{text} was due {when(fell_silent.due_unix_s)}.", "warn"))
    steps = _steps(known, changes, found)
    blocks.append(
        Charted(
            chart.chart(
                known,
                metric=row.metric,
                band=_band(known, history),
                steps=steps,
                title=f"{row.metric.removesuffix('_ns')}, night by night",
            )
        )
    )
    blocks += [triage_of(one) for one in found if one.state in findings.OPEN]
    blocks += [triage_of(one) for one in found if one.state not in findings.OPEN][:DECIDED]
    blocks += _tables(changes, found, history, kind)
    in_turns = comparisons.of_series(store, series, limit=50)
    blocks.append(comparisons_table(in_turns, one_series=True))
    return Page(title, tuple(blocks), simulated=bool(key.origin), subtitle=subtitle)


def _facts(known: Sequence[Point], metric: str, kind: str) -> tuple[tuple[str, object], ...]:
    usable = [point for point in known if point.usable]
    last = usable[-1] if usable else None
    spread = noise.of_points(known) if usable else None
    return (
        ("Newest", cell(last.value if last else None, kind)),
        ("Of", metric.removesuffix("_ns").replace("_", " ")),
        ("Points", f"{len(usable)} usable of {len(known)}"),
        ("Noise of one night", share(spread.night if spread else None)),
        ("Between processes", share(spread.between_processes if spread else None)),
        (
            "Changes it can see",
            "; ".join(mde.words(each).removeprefix("sees ") for each in mde.visible(known)[:3])
            or "too few nights",
        ),
    )


def _band(known: Sequence[Point], history: Sequence[baselines.Baseline]) -> chart.Band | None:
    """The baseline with the series' own noise of one night around it, twice."""
    if not history:
        return None
    held = next((point for point in known if point.job_id == history[0].job_id), None)
    if held is None or held.value is None:
        return None
    sigma = noise.of_points(known).night if any(point.usable for point in known) else None
    spread = 2.0 * (sigma or 0.0)
    return chart.Band(held.value, held.value / (1.0 + spread), held.value * (1.0 + spread))


def _steps(
    known: Sequence[Point], changes: Sequence[ChangePoint], found: Sequence[Finding]
) -> list[chart.Step]:
    steps = [chart.Step(one.at_unix_s, change(one.effect)) for one in changes]
    steps += [
        chart.Step(known[index].at_unix_s, "other surroundings", "segment")
        for index in segment_starts(known)[-20:]
    ]
    first = known[0].at_unix_s if known else 0.0
    steps += [chart.Step(one.at_unix_s, one.word, "finding") for one in found[:20] if one.at_unix_s >= first]
    joined: dict[float, list[str]] = {}
    for step in steps:
        joined.setdefault(step.at_unix_s, []).append(step.label)
    return [chart.Step(at, ", ".join(dict.fromkeys(labels))) for at, labels in joined.items()]


def _neighbours(changes: Sequence[ChangePoint]) -> list[Link]:
    """The newest change: the result before it against the one after."""
    if not changes:
        return []
    last = changes[-1]
    address = link("/compare", a=last.previous_job_id, b=last.job_id)
    return [Link("Compare before and after the last change", address)]


def _tables(
    changes: Sequence[ChangePoint],
    found: Sequence[Finding],
    history: Sequence[baselines.Baseline],
    kind: str,
) -> list[Block]:
    decided = [one for one in found if one.state not in findings.OPEN]
    tables: list[Block] = [
        Table(
            "changes",
            "Where its level changed",
            grid(
                {
                    "when": "time",
                    "change": "change",
                    "before": kind,
                    "after": kind,
                    "p": "shown",
                    "": "text",
                },
                [
                    (
                        one.at_unix_s,
                        one.effect,
                        one.before,
                        one.after,
                        Shown(f"{one.p:.1g}", one.p),
                        Link("compare", link("/compare", a=one.previous_job_id, b=one.job_id)),
                    )
                    for one in reversed(changes)
                ],
                note="Told by the history alone: information, never an alarm by itself." if changes else "",
            ),
            "nowhere",
        ),
        Table(
            "baselines",
            "What it was held against",
            grid(
                {"when": "time", "event": "text", "who": "text", "why": "text", "result": "text"},
                [(b.at_unix_s, b.event, b.actor, b.reason, to_result(b.job_id)) for b in history],
            ),
            "it has no baseline yet; the first night sets one",
        ),
    ]
    if decided:
        rows = [
            (
                one.at_unix_s,
                marks(one.word, origin=one.origin),
                one.effect,
                one.state,
                one.note,
                to_finding(one.finding_id, "who, undo"),
            )
            for one in decided
        ]
        columns = {"when": "time", "what": "marks", "change": "change", "called": "text", "why": "text"}
        columns |= {"": "text"}
        tables.insert(0, Table("decided", "What people decided", grid(columns, rows)))
    return tables
