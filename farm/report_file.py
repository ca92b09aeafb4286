"""A report of stored results, with all that the store holds beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import UsageError

if TYPE_CHECKING:
    from farm_results.comparison import Comparison
    from farm_results.model import Result
    from farm_results.store import Store

FILTERS = ("device", "model", "runtime", "status")


@dataclass(frozen=True)
class Chosen:
    """What a report is of. A run of `farm bench --ab` may have comparisons alone."""

    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...] = ()

    @property
    def run_ids(self) -> tuple[str, ...]:
        """Every run that something of it is of."""
        runs = [*(one.run_id for one in self.results), *(one.run_id for one in self.comparisons)]
        return tuple(dict.fromkeys(runs))

    def __bool__(self) -> bool:
        return bool(self.results or self.comparisons)


def chosen(store: Store, name: str, wanted: Mapping[str, object]) -> Chosen:
    """What a person named: a run, a job, a label, a commit, last. ``wanted``: filters by name, which narrow
    down comparisons as well.

    Raises UsageError results.unknown-ref and what else ``refs.resolve`` raises.
    """
    from farm_results import refs

    ref = refs.resolve(store, name)
    found = refs.results_of(store, ref)
    filters = {key: wanted.get(key) for key in FILTERS}
    kept = [
        result
        for result in found
        if all(value is None or getattr(result, key) == value for key, value in filters.items())
    ]
    limit = wanted.get("limit")
    kept = kept[-limit:] if isinstance(limit, int) else kept
    runs = dict.fromkeys([*(result.run_id for result in kept), *reversed(ref.run_ids)])
    compared = [one for one in _compared(store, list(runs)) if _matches(one, filters)]
    if ref.kind == refs.JOB:
        compared = [one for one in compared if _is_of(one, kept)]
    return Chosen(tuple(kept), tuple(compared))


def _is_of(one: Comparison, results: Sequence[Result]) -> bool:
    """Whether a comparison is about one of these results, or their series."""
    from farm_results.series import key_of, series_id

    jobs = {one.reference.job_id, one.candidate.job_id}
    return any(each.job_id in jobs or series_id(key_of(each)) == one.series for each in results)


def _compared(store: Store, run_ids: Sequence[str]) -> list[Comparison]:
    from farm_results.history import comparisons

    return [found for run_id in run_ids for found in comparisons.of_run(store, run_id)]


def _matches(one: Comparison, filters: Mapping[str, object]) -> bool:
    """Whether a comparison is of that device and status, and one of its sides of that model and runtime."""
    sides = (one.reference, one.candidate)
    return (
        filters["device"] in (None, one.device)
        and filters["model"] in (None, *(side.model for side in sides))
        and filters["runtime"] in (None, *(side.runtime for side in sides))
        and filters["status"] in (None, "ok" if one.played else one.word)
    )


def text_of(store: Store, found: Chosen, *, against: str = "") -> str:
    """The HTML of it. ``against``: the results to hold these against, as a person names them.

    Raises UsageError results.unknown-ref, report.nothing-against.
    """
    from farm.jobs.runs import unfinished_text
    from farm.version import __version__
    from farm_results import refs
    from farm_results.pages.sections.against import Against
    from farm_results.report import html

    results = found.results
    one = found.run_ids[0] if len(found.run_ids) == 1 else ""
    other = None
    if against:
        from farm_results.series import key_of, series_id

        series = [series_id(key_of(result)) for result in results]
        others = refs.results_of(store, refs.resolve(store, against), series=series) if series else []
        if not others:
            raise UsageError(
                f"{against} has none of the series of these results",
                code="report.nothing-against",
                fix="name a run that measured the same models the same way (farm results runs)",
            )
        other = Against(against, tuple(others))
    sources = html.Sources(
        run=store.run(one) if one else None,
        objects=store.objects,
        comparisons=found.comparisons,
        against=other,
        unfinished=unfinished_text(store, one) if one else "",
        version=__version__,
    )
    return html.page(results, sources)


def write_run(store_at: str | Path, run_id: str, path: Path) -> None:
    """The report of a whole run. Raises as ``report.write_text``."""
    from farm_results.report import write_text
    from farm_results.store import open_store

    store = open_store(store_at)
    try:
        found = Chosen(tuple(store.results(run_id)), tuple(_compared(store, [run_id])))
        write_text(text_of(store, found), path)
    finally:
        store.close()


def markdown_of(found: Chosen) -> str:
    """Tables of results and of comparisons, for an issue or a pull request."""
    from farm_results import report
    from farm_results.view import versus

    parts = [report.render("md", found.results)] if found.results else []
    parts += [versus.markdown(found.comparisons)] if found.comparisons else []
    return "\n".join(parts)


def usual_path(found: Chosen) -> Path:
    """Where a report goes when nobody says: named after its run, in the working directory."""
    run_id = found.results[-1].run_id if found.results else found.run_ids[0]
    return Path(f"farm-report-{_plain(run_id)}.html")


def _plain(name: str) -> str:
    """Run ids of a foreign store may hold anything; a file's name may not."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in name)
    return kept[:80] or "run"
