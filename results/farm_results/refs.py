"""What a person may call results by: a run, a job, a label, a git commit, @baseline, last."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm_agent.errors import UsageError
from farm_results import git
from farm_results.text import printable

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.store import Store

BASELINE_WORD, LAST = "@baseline", "last"
RUN, JOB, LABEL, COMMIT, BASELINE = "run", "job", "label", "commit", "baseline"
MOST_RUNS, LONGEST = 20, 200
AHEAD_S, FARTHEST_S = 3600.0, 253_402_214_399.0
_LAST = re.compile(r"last(?:~([0-9]{1,6}))?")
_HASH = re.compile(r"[0-9a-fA-F]{4,40}")
_FIX = "a run or job id, KEY=VALUE of a label, a git commit, @baseline, last or last~1 (farm results runs)"


@dataclass(frozen=True)
class Ref:
    """What ``text`` names. ``kind``: run, job, label, commit or baseline. ``run_ids``: newest first, at most
    20; empty for a job and for the baseline. ``job_id``: where it names one result. ``note``: what a person
    should know of how it was understood."""

    text: str
    kind: str
    run_ids: tuple[str, ...] = ()
    job_id: str = ""
    note: str = ""

    @property
    def name(self) -> str:
        """The text, with the run that it came to where it does not say so itself."""
        if self.kind != RUN or self.text in self.run_ids:
            return self.text
        return f"{self.text} ({self.run_ids[0]})"


def resolve(store: Store, text: str, *, folder: Path | None = None, measured: bool = False) -> Ref:
    """Understand a reference; ``folder``: whose git repository names commits (the working directory);
    ``measured``: ``last`` counts only runs with results, none of comparisons in turns alone.

    Raises UsageError ``results.unknown-ref``, ``results.ambiguous-run``, ``results.ambiguous-job``,
    ``results.unknown-label``, ``results.unknown-commit``.
    """
    if text == BASELINE_WORD:
        return Ref(text, BASELINE)
    if counted := _LAST.fullmatch(text):
        run_id = _nth(store, text, int(counted[1] or 0), measured=measured)
        return Ref(text, RUN, (run_id,), note=_ahead(store, run_id))
    if text and store.run(text) is not None:
        return Ref(text, RUN, (text,))
    key, mark, value = text.partition("=")
    if mark and key:
        return _labelled(store, text, key, value)
    return _identified(store, text) or _committed(store, text, folder or Path.cwd()) or _unknown(store, text)


def results_of(store: Store, ref: Ref, *, series: Sequence[str] = ()) -> list[Result]:
    """Its results, oldest first; with ``series``, only of these. For @baseline: of each of these series the
    result that it is held against, or of all that have one."""
    from farm_results.series import key_of, series_id

    if ref.kind == BASELINE:
        return _baselines(store, series)
    if ref.kind == JOB:
        found = [store.result(ref.job_id)]
    else:
        found = [result for run_id in reversed(ref.run_ids) for result in store.results(run_id)]
    wanted = set(series)
    return [result for result in found if not wanted or series_id(key_of(result)) in wanted]


def of_series(store: Store, ref: Ref, series: str) -> Result | None:
    """The newest ok result of one series; None where the reference has none."""
    return next((r for r in reversed(results_of(store, ref, series=(series,))) if r.status == "ok"), None)


def _nth(store: Store, text: str, back: int, *, measured: bool) -> str:
    found = _with_results(store, back + 1) if measured else [run.run_id for run in store.runs(limit=back + 1)]
    if len(found) <= back:
        what = " with results" if measured else ""
        raise UsageError(
            f"{text}: the store holds {len(found)} run{'s' * (len(found) != 1)}{what}",
            code="results.unknown-ref",
            fix="farm results runs" if found else "farm bench",
        )
    return found[back]


def _with_results(store: Store, count: int) -> list[str]:
    from sqlalchemy import exists, select

    from farm_results.storage.schema import RESULT
    from farm_results.storage.schema import RUN as RUNS
    from farm_results.storage.session import reading

    query = (
        select(RUNS.c.run_id)
        .where(exists().where(RESULT.c.run_id == RUNS.c.run_id))
        .order_by(RUNS.c.created_unix_s.desc(), RUNS.c.run_id.desc())
        .limit(count)
    )
    with reading(store) as connection:
        return [str(row[0]) for row in connection.execute(query)]


def _identified(store: Store, text: str) -> Ref | None:
    """By the beginning of a run's or job's id; an ambiguous one is an error, an unknown one None."""
    if not text:
        return None
    try:
        return Ref(text, RUN, (store.find_run(text),))
    except UsageError as error:
        if error.code != "results.unknown-run":
            raise
    try:
        return Ref(text, JOB, job_id=store.result(text).job_id)
    except UsageError as error:
        if error.code != "results.unknown-job":
            raise
    return None


def _labelled(store: Store, text: str, key: str, value: str) -> Ref:
    found = labelled(store, key, value)
    if not found:
        raise UsageError(
            f"no run has the label '{printable(text, LONGEST)}'",
            code="results.unknown-label",
            fix="farm bench --label KEY=VALUE sets one; farm results runs --json shows those there are",
        )
    return Ref(text, LABEL, found, note=_several(text, found))


def labelled(store: Store, key: str, value: str, *, limit: int = MOST_RUNS) -> tuple[str, ...]:
    """Runs with this label, newest first."""
    from sqlalchemy import select

    from farm_results.storage.schema import RUN as RUNS
    from farm_results.storage.schema import RUN_LABEL
    from farm_results.storage.session import reading

    query = (
        select(RUNS.c.run_id)
        .join(RUN_LABEL, RUN_LABEL.c.run_id == RUNS.c.run_id)
        .where(RUN_LABEL.c.key == key, RUN_LABEL.c.value == value)
        .order_by(RUNS.c.created_unix_s.desc(), RUNS.c.run_id.desc())
        .limit(limit)
    )
    with reading(store) as connection:
        return tuple(str(row[0]) for row in connection.execute(query))


def _committed(store: Store, text: str, folder: Path) -> Ref | None:
    """By a commit, as the repository there knows it or as the runs' own labels do."""
    commit = git.commit_of(text, folder)
    known = (commit,) if commit else _commits(store, text)
    if len(known) > 1:
        raise UsageError(
            f"{len(known)} commits with runs start with {text!r}",
            code="results.ambiguous-run",
            fix=f"write more of the hash: {', '.join(one[:12] for one in known[:3])}",
        )
    if not known:
        return None
    runs = labelled(store, git.COMMIT, known[0])
    if not runs:
        raise UsageError(
            f"{text} is commit {known[0][:12]}, and no run was started there",
            code="results.unknown-commit",
            fix=f"git checkout {text}, then farm bench",
        )
    return _clean_first(store, text, known[0], runs)


def _clean_first(store: Store, text: str, commit: str, runs: tuple[str, ...]) -> Ref:
    """Runs of exactly this commit before runs of a changed working copy."""
    dirty = set(labelled(store, git.DIRTY, "true", limit=10_000))
    clean = tuple(run for run in runs if run not in dirty)
    if clean:
        return Ref(text, COMMIT, clean, note=_several(f"commit {commit[:12]}", clean))
    return Ref(text, COMMIT, runs, note=f"commit {commit[:12]} has no run without uncommitted changes")


def _commits(store: Store, text: str) -> tuple[str, ...]:
    from sqlalchemy import select

    from farm_results.storage.schema import RUN_LABEL
    from farm_results.storage.session import reading

    if not _HASH.fullmatch(text):
        return ()
    query = (
        select(RUN_LABEL.c.value)
        .where(RUN_LABEL.c.key == git.COMMIT, RUN_LABEL.c.value.like(f"{text.lower()}%"))
        .distinct()
        .limit(4)
    )
    with reading(store) as connection:
        return tuple(str(row[0]) for row in connection.execute(query))


def _baselines(store: Store, series: Sequence[str]) -> list[Result]:
    from farm_results.history import baselines

    found = baselines.currents(store, list(series) or None)
    results = store.of_jobs([row.job_id for row in found.values()])
    return sorted(results, key=lambda result: (result.created_unix_s, result.job_id))


def _ahead(store: Store, run_id: str) -> str:
    """That a run stays the last one for years where its clock was ahead, or this one is behind."""
    run = store.run(run_id)
    if run is None or run.created_unix_s < time.time() + AHEAD_S:
        return ""
    day = time.strftime("%Y-%m-%d", time.gmtime(min(run.created_unix_s, FARTHEST_S)))
    return f"run {run_id} is dated {day}: a clock was ahead, or this one is behind; name others by their ids"


def _several(what: str, runs: Sequence[str]) -> str:
    if len(runs) < 2:
        return ""
    most = " or more" if len(runs) == MOST_RUNS else ""
    return f"{what} names {len(runs)}{most} runs, the newest {runs[0]}"


def _unknown(store: Store, text: str) -> Ref:
    import difflib

    ids = [run.run_id for run in store.runs(limit=100)]
    near = difflib.get_close_matches(text[:LONGEST], ids, n=1, cutoff=0.5)
    named = f"nothing in the store is called '{printable(text, LONGEST)}'"
    raise UsageError(
        named if ids else "the store holds no run yet",
        code="results.unknown-ref",
        fix=f"did you mean {near[0]}?" if near else (f"give {_FIX}" if ids else "farm bench"),
    )
