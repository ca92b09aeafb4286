"""Two sides held against each other: what changed by more than noise, and what may not be compared."""

from __future__ import annotations

from collections.abc import Sequence

from farm_agent.errors import UsageError
from farm_results import refs
from farm_results.compare import metrics as known_metrics
from farm_results.compare import pairs, stored, words
from farm_results.compare.row import (
    DIFFERENCE,
    IMPROVED,
    LARGE,
    REGRESSED,
    SECTIONS,
    UNCHANGED,
    Compared,
    Row,
)
from farm_results.dashboard.blocks import (
    Block,
    Charted,
    Command,
    Count,
    Counts,
    Field,
    Filters,
    Links,
    Note,
    Page,
    Table,
)
from farm_results.dashboard.pages import View
from farm_results.dashboard.pages.run import comparisons_table
from farm_results.dashboard.query import Query
from farm_results.dashboard.rows import simulated, to_result, to_series
from farm_results.history import comparisons
from farm_results.pages.chart import Chart
from farm_results.pages.charts import interval
from farm_results.pages.filters import Shown
from farm_results.pages.grid import Link, grid

PATHS = ("/compare",)
NAV = (7, "Compare")
WORDS = {REGRESSED: "regression", IMPROVED: "improvement", LARGE: "inconclusive"}
MOST_CHART = 60


def page(view: View) -> Page:
    """``a`` and ``b`` as farm compare takes them; ``by`` and ``metric`` as its options."""
    query = view.query
    a, b = query.text("a"), query.text("b")
    by = tuple(each for each in query.texts("by") if query_knows(query, "by", each, tuple(pairs.AXES)))
    asked = tuple(
        each for each in query.texts("metric") if query_knows(query, "metric", each, known_metrics.names())
    )
    fields = (
        Field("a", "Reference", a, unit="@baseline, last~1, a run, a job, a label"),
        Field("b", "Candidate", b, unit="last"),
        Field("by", "May differ in", ",".join(by), "select", tuple(pairs.AXES), nothing="nothing"),
        Field(
            "metric", "Number", ",".join(asked), "select", known_metrics.names(), nothing="each series' own"
        ),
    )
    form = Filters(query.path, fields, "Compare")
    if not a and not b:
        return _start(view, form)
    try:
        found = _compared(view, a or refs.BASELINE_WORD, b, by, asked or (known_metrics.OWN,))
    except UsageError as error:
        if error.code != stored.NOTHING:
            raise
        return _nothing(form, error)
    most = query.rows()
    blocks: list[Block] = [form, _counts(found)]
    blocks += [Note(line) for line in words.closing_lines(found)]
    everything = query.choice("all", ("1",)) == "1"
    sections = [section for section in SECTIONS if everything or section != UNCHANGED]
    drawn = [row for row in found.rows if row.effect is not None and row.scale != DIFFERENCE]
    drawn = [row for row in drawn if row.section in sections][:MOST_CHART]
    if drawn:
        blocks.append(Charted(_chart(drawn, found.rows)))
    blocks += [_section(found, section, most) for section in sections if found.of(section)]
    if not everything and (same := len(found.of(UNCHANGED))):
        blocks.append(Links((Link(f"Show the {same} that are unchanged, too", query.url(all=1)),)))
    return Page(
        "Compare",
        tuple(blocks),
        simulated=simulated(found.rows),
        subtitle=f"{found.reference} → {found.candidate}",
    )


def query_knows(query: Query, name: str, value: str, choices: Sequence[str]) -> bool:
    """Whether a word is one of the choices; one that is not is told."""
    if value not in choices:
        query.notices.append(f"{name}={value} is none of {', '.join(choices)}")
    return value in choices


def _start(view: View, form: Filters) -> Page:
    recent = comparisons.recent(view.store, limit=view.query.rows(50))
    text = (
        "Name two sides. Only measuring both in turns on one device (farm bench --ab) says slower or faster."
    )
    return Page("Compare", (form, Note(text), comparisons_table(recent)), simulated=simulated(recent))


def _nothing(form: Filters, error: UsageError) -> Page:
    """A new farm has no baselines, and its pages lead here all the same: no mistake of who reads them."""
    note = Note(f"There is nothing to compare: {error.message}.", "warn")
    return Page("Compare", (form, note, Command("What helps", error.fix)))


def _compared(view: View, a: str, b: str, by: Sequence[str], asked: Sequence[str]) -> Compared:
    ours = refs.resolve(view.store, a, measured=True)
    if not b and by:
        return stored.compare_within(view.store, ours, by, metrics=asked)
    theirs = refs.resolve(view.store, b or refs.LAST, measured=True)
    same = (ours.kind, ours.run_ids, ours.job_id) == (theirs.kind, theirs.run_ids, theirs.job_id)
    if same and not by:
        raise UsageError(
            f"{ours.text} and {theirs.text} are the same", code="compare.itself", fix="name another one"
        )
    return stored.compare_refs(view.store, ours, theirs, metrics=asked, by=by)


def _counts(found: Compared) -> Counts:
    counts = [
        Count(str(len(found.of(section))), section, WORDS.get(section, "") if found.of(section) else "")
        for section in SECTIONS
    ]
    return Counts("", tuple(counts))


def _chart(rows: Sequence[Row], among: Sequence[Row]) -> Chart:
    """Candidate over reference, against a line at 1."""
    drawn = [
        interval.Row(
            words.name_text(row, among),
            1.0 + (row.effect or 0.0),
            None if row.low is None else 1.0 + row.low,
            None if row.high is None else 1.0 + row.high,
            row.candidate.verdict if row.candidate else "",
            row.origin,
        )
        for row in rows
    ]
    return interval.chart(drawn, name="effects", title="Candidate over reference", ratio=True)


def _section(found: Compared, section: str, most: int) -> Table:
    rows = found.of(section)
    columns = {
        "what": "text",
        "number": "text",
        "reference": "shown",
        "candidate": "shown",
        "change": "shown",
    }
    columns |= {"95 % interval": "shown", "more than noise": "text", "why": "text", "": "text"}
    cells = [
        (
            to_series(row.series, words.name_text(row, found.rows)),
            row.metric,
            Shown(words.value_text(row, row.reference), row.reference.value if row.reference else None),
            Shown(words.value_text(row, row.candidate), row.candidate.value if row.candidate else None),
            Shown(words.effect_text(row), row.effect),
            Shown(words.interval_text(row), row.low),
            words.noise_text(row),
            words.reason_text(row),
            to_result(row.candidate.job_id, "result") if row.candidate and row.candidate.job_id else None,
        )
        for row in rows[:most]
    ]
    note = f"{len(rows) - most} more rows are not shown" if len(rows) > most else ""
    name = section.replace(" ", "-")
    heading = section.capitalize() if section != UNCHANGED else "Unchanged"
    return Table(name, heading, grid(columns, cells, note))
