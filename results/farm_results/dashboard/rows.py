"""Stored results as lines: columns alone, no record and no document, so that many of them stay cheap."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING

from farm_results.dashboard.query import quoted
from farm_results.pages.charts.items import SHARES
from farm_results.pages.grid import Grid, Link, grid
from farm_results.pages.marks import Marks, marks
from farm_results.storage.narrow import conditions
from farm_results.storage.session import in_parts, reading

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

    from farm_results.store import Store


MOST_REASONS = 200


@dataclass(frozen=True)
class Line:
    """One row of the table ``result``, as it is there."""

    job_id: str
    run_id: str
    created_unix_s: float
    model: str
    model_sha256: str
    device: str
    profile: str
    format: str
    runtime: str
    runtime_version: str
    precision: str
    threads: int
    scenario: str
    status: str
    error_code: str
    verdict: str
    series: str
    segment: str
    origin: str
    metric: str
    value: float | None
    low: float | None
    high: float | None
    p50_ns: float | None
    between_cv: float | None
    energy_j: float | None
    peak_memory_bytes: int | None
    accuracy: float | None
    artifact_bytes: int | None
    artifact_sha256: str

    @property
    def marks(self) -> Marks:
        """Its verdict or its failure, and that it was simulated."""
        return marks(self.verdict if self.status == "ok" else self.status, origin=self.origin)

    @property
    def target(self) -> str:
        """``onnxruntime int8 ×4``: what tells configurations of one model on one device apart."""
        scenario = "" if self.scenario == "latency" else f" {self.scenario}"
        return f"{self.runtime} {self.precision} ×{self.threads}{scenario}"


def lines(  # noqa: PLR0913 - keyword-only: what narrows them down
    store: Store,
    *,
    device: str | None = None,
    model: str | None = None,
    run_id: str | None = None,
    status: str | None = None,
    since_unix_s: float | None = None,
    jobs: Sequence[str] | None = None,
    where: Sequence[ColumnElement[bool]] = (),
    limit: int,
    offset: int = 0,
) -> list[Line]:
    """Results, the newest first; ``where``: conditions beside these. Raises as ``Store`` does."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT

    wanted = {"device": device, "model": model, "run_id": run_id, "status": status}
    query = select(*(RESULT.c[field.name] for field in fields(Line)))
    query = query.where(*conditions(wanted), *where)
    if since_unix_s is not None:
        query = query.where(RESULT.c.created_unix_s >= since_unix_s)
    if jobs is not None:
        query = query.where(RESULT.c.job_id.in_(list(jobs)[:limit]))
    query = query.order_by(RESULT.c.created_unix_s.desc(), RESULT.c.job_id).limit(limit).offset(offset)
    with reading(store) as connection:
        return [Line(*row) for row in connection.execute(query)]


def newest_ok(store: Store, series_jobs: Iterable[str], *, most: int = 2000) -> list[Line]:
    """The lines of these jobs, in parts that every database takes."""
    wanted = [job for job in dict.fromkeys(series_jobs) if job][:most]
    found: list[Line] = []
    for part in in_parts(wanted):
        found += lines(store, jobs=part, limit=len(part))
    return found


def with_shares(store: Store, found: Sequence[Line]) -> list[Line]:
    """The same lines; an accuracy that is no share of right answers (an error, a metric of the user's own) is
    left out, since its column reads in percent: the result's own page has it."""
    from sqlalchemy import select

    from farm_results.storage.schema import RESULT

    asked = [line.job_id for line in found if line.accuracy is not None]
    kept: set[str] = set()
    with reading(store) as connection:
        for part in in_parts(asked):
            query = select(RESULT.c.job_id, RESULT.c.record)
            rows = connection.execute(query.where(RESULT.c.job_id.in_(part)))
            kept |= {str(row[0]) for row in rows if _metric(str(row[1])) in SHARES}
    return [
        line if line.accuracy is None or line.job_id in kept else replace(line, accuracy=None)
        for line in found
    ]


def _metric(record: str) -> str:
    """The name of a result's metric, without reading all else."""
    found = re.search(r'"accuracy_metric":\s*"([^"\\]*)"', record)
    return found[1] if found else ""


def reasons(store: Store, jobs: Sequence[str]) -> dict[str, tuple[str, str]]:
    """What went wrong and what helps, of the first ``MOST_REASONS`` of these jobs."""
    from sqlalchemy import select

    from farm_agent import codec
    from farm_results.model import Result
    from farm_results.storage.schema import RESULT

    wanted = select(RESULT.c.record).where(RESULT.c.job_id.in_(list(jobs)[:MOST_REASONS]))
    found: dict[str, tuple[str, str]] = {}
    with reading(store) as connection:
        for (record,) in connection.execute(wanted):
            with contextlib.suppress(ValueError):  # its own page says what is wrong with a record
                one = codec.loads(Result, str(record))
                found[one.job_id] = (one.error_message, one.error_fix)
    return found


def words_of_run(store: Store, run_id: str) -> Counter[str]:
    """How many results of a run have each verdict, or failed, or were skipped, however many are shown."""
    from sqlalchemy import case, func, select

    from farm_results.storage.schema import RESULT

    word = case((RESULT.c.status == "ok", RESULT.c.verdict), else_=RESULT.c.status).label("word")
    query = select(word, func.count()).where(RESULT.c.run_id == run_id).group_by(word)
    with reading(store) as connection:
        return Counter({str(row[0]) or "unknown": int(row[1]) for row in connection.execute(query)})


def results_grid(found: Sequence[Line], *, leave_out: Sequence[str] = ()) -> Grid:
    """Results as a table, what is wrong with each first. Times and throughputs never share a column."""
    timed = any(line.metric.endswith("_ns") for line in found)
    other = any(not line.metric.endswith("_ns") for line in found)
    columns: dict[str, str] = {"verdict": "marks", "when": "time"}
    columns |= {"device": "text", "model": "text", "target": "text"}
    columns |= {"time": "ns", "from": "ns", "to": "ns"} if timed or not other else {}
    columns |= {"number": "number", "of": "text"} if other else {}
    columns |= {"energy": "j"} if any(line.energy_j is not None for line in found) else {}
    columns |= {"peak memory": "bytes"}
    columns |= {"accuracy": "share"} if any(line.accuracy is not None for line in found) else {}
    columns |= {"result": "text"}
    shown = {name: kind for name, kind in columns.items() if name not in leave_out}
    return grid(shown, [[_cell(line, name) for name in shown] for line in found])


def _cell(line: Line, name: str) -> object:
    is_time = line.metric.endswith("_ns")
    cells: dict[str, object] = {
        "when": line.created_unix_s,
        "device": to_device(line.device),
        "model": to_model(line.model),
        "target": to_series(line.series, line.target),
        "time": line.value if is_time else None,
        "from": line.low if is_time else None,
        "to": line.high if is_time else None,
        "number": None if is_time else line.value,
        "of": "" if is_time else line.metric,
        "energy": line.energy_j,
        "peak memory": line.peak_memory_bytes,
        "accuracy": line.accuracy,
        "verdict": line.marks,
        "result": to_result(line.job_id),
    }
    return cells[name]


def to_device(name: str) -> Link:
    """A device's page."""
    return Link(name, f"/devices/{quoted(name)}")


def to_model(name: str) -> Link:
    """A model's page."""
    return Link(name, f"/models/{quoted(name)}")


def to_run(run_id: str) -> Link:
    """A run's page."""
    return Link(run_id, f"/runs/{quoted(run_id)}")


def to_result(job_id: str, text: str = "") -> Link:
    """A result's page."""
    return Link(text or job_id, f"/results/{quoted(job_id)}")


def to_comparison(comparison_id: str, text: str = "pair by pair") -> Link:
    """An A/B's page."""
    return Link(text, f"/comparisons/{quoted(comparison_id)}")


def to_night(night_id: str, text: str) -> Link:
    """A night's page."""
    return Link(text, f"/nights/{quoted(night_id)}")


def to_finding(finding_id: str, text: str = "") -> Link:
    """A finding's page."""
    return Link(text or finding_id, f"/findings/{quoted(finding_id)}")


def to_series(series: str, text: str = "") -> Link:
    """A series' trend."""
    return Link(text or series, f"/trend/{quoted(series)}")


def simulated(found: Iterable[object]) -> bool:
    """Whether any of these was measured by no device."""
    return any(getattr(each, "origin", "") for each in found)
