"""A report of stored results, with all that the store holds beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import UsageError

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.store import Store

FILTERS = ("device", "model", "runtime", "status")


def chosen(store: Store, name: str, wanted: Mapping[str, object]) -> list[Result]:
    """The results that a person named: a run, a job, a label, a commit, last. ``wanted``: filters by name.

    Raises UsageError results.unknown-ref and what else ``refs.resolve`` raises.
    """
    from farm_results import refs

    found = refs.results_of(store, refs.resolve(store, name))
    filters = {key: wanted.get(key) for key in FILTERS}
    kept = [
        result
        for result in found
        if all(value is None or getattr(result, key) == value for key, value in filters.items())
    ]
    limit = wanted.get("limit")
    return kept[-limit:] if isinstance(limit, int) else kept


def text_of(store: Store, results: Sequence[Result], *, against: str = "") -> str:
    """The HTML of these results. ``against``: the results to hold them against, as a person names them.

    Raises UsageError results.unknown-ref, report.nothing-against.
    """
    from farm.jobs.runs import unfinished_text
    from farm.version import __version__
    from farm_results import refs
    from farm_results.history import comparisons
    from farm_results.pages.sections.against import Against
    from farm_results.report import html

    run_ids = list(dict.fromkeys(result.run_id for result in results))
    one = run_ids[0] if len(run_ids) == 1 else ""
    other = None
    if against:
        from farm_results.series import key_of, series_id

        series = [series_id(key_of(result)) for result in results]
        found = refs.results_of(store, refs.resolve(store, against), series=series)
        if not found:
            raise UsageError(
                f"{against} has none of the series of these results",
                code="report.nothing-against",
                fix="name a run that measured the same models the same way (farm results runs)",
            )
        other = Against(against, tuple(found))
    sources = html.Sources(
        run=store.run(one) if one else None,
        objects=store.objects,
        comparisons=tuple(found for run_id in run_ids for found in comparisons.of_run(store, run_id)),
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
        write_text(text_of(store, store.results(run_id)), path)
    finally:
        store.close()


def usual_path(results: Sequence[Result]) -> Path:
    """Where a report goes when nobody says: named after its run, in the working directory."""
    return Path(f"farm-report-{_plain(results[-1].run_id)}.html")


def _plain(name: str) -> str:
    """Run ids of a foreign store may hold anything; a file's name may not."""
    kept = "".join(char if char.isascii() and (char.isalnum() or char in "-_") else "-" for char in name)
    return kept[:80] or "run"
