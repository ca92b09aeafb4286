"""The store: runs and their results in a database, raw samples as files beside it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sqlalchemy import ColumnElement, and_, func, select, true, update

from farm_agent import codec
from farm_agent.errors import FarmBug, InfrastructureError, UsageError
from farm_results.history.standing import note_result
from farm_results.model import Result, Run
from farm_results.storage.columns import columns_of, pack_document
from farm_results.storage.document import result_of
from farm_results.storage.engine import Location, insert_into, locate, open_engine, writing
from farm_results.storage.faults import store_faults
from farm_results.storage.lookup import find_id
from farm_results.storage.narrow import conditions
from farm_results.storage.objects import Objects
from farm_results.storage.schema import DOCUMENT, RESULT, RUN, RUN_LABEL
from farm_results.storage.session import in_parts

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

LAST = re.compile(r"last(?:~([0-9]{1,6}))?")
"""The newest run, or the one so many before it."""
# PostgreSQL's driver tells how many rows an INSERT added only when it is asked to.
COUNTED = {"preserve_rowcount": True}
LATE_CODES = (
    "agent.garbled",
    "agent.silent",
    "device.auth",
    "device.disk-error",
    "device.disk-full",
    "device.host-key",
    "device.unreachable",
    "link.corrupt",
    "link.incomplete",
    "link.lost",
    "link.timeout",
    "link.too-large",
    "lease.fenced",
    "lease.lost",
    "store.locked",
    "store.unreachable",
    "host.disk-full",
)
"""Failures that say nothing of the job itself: it may have ended on its device all the same."""


class Store:
    """Results that stay. Safe for several threads and processes at once.

    Every method raises InfrastructureError store.locked, store.unreachable, host.disk-full and UsageError
    store.corrupt, store.not-writable.
    """

    def __init__(self, engine: Engine, location: Location) -> None:
        self.engine = engine
        self.name = location.name
        self.objects = Objects(location.folder / "objects")

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    def warning(self) -> str:
        """What a person should know of the place where this store lies; "" for nothing."""
        from farm_results.storage.placement import network_warning

        on_file = self.engine.dialect.name == "sqlite"
        return network_warning(Path(self.name).parent) if on_file else ""

    def add_run(self, run: Run) -> bool:
        """Record a run; False when it already is here (nothing changes then)."""
        values = {
            "run_id": run.run_id,
            "created_unix_s": run.created_unix_s,
            "state": run.state,
            "record": codec.dumps(run),
        }
        with store_faults(self.name), writing(self.engine).begin() as connection:
            statement = insert_into(self.engine, RUN).values(values).on_conflict_do_nothing()
            added = int(connection.execute(statement, execution_options=COUNTED).rowcount) == 1
            if added and run.labels:
                rows = [{"run_id": run.run_id, "key": k, "value": v} for k, v in run.labels.items()]
                connection.execute(RUN_LABEL.insert(), rows)
            return added

    def end_run(self, run_id: str, state: str, ended_unix_s: float | None = None, *, cause: str = "") -> None:
        """Say how a run ended: done or interrupted. Raises UsageError ``results.unknown-run``."""
        import time

        with store_faults(self.name), writing(self.engine).begin() as connection:
            text = connection.execute(select(RUN.c.record).where(RUN.c.run_id == run_id)).scalar()
            if text is None:
                raise UsageError(f"no run is called {run_id}", code="results.unknown-run")
            record = json.loads(text)
            record |= {"state": state, "cause": cause}
            record["ended_unix_s"] = time.time() if ended_unix_s is None else ended_unix_s
            values = {"state": state, "record": codec.dumps(record)}
            connection.execute(update(RUN).where(RUN.c.run_id == run_id).values(values))

    def add_result(
        self, result: Result, *, also: Callable[[Connection], None] | None = None, late: bool = False
    ) -> bool:
        """Store a result in one transaction; False when its job already is here (nothing changes then).

        ``also`` is done in the same transaction, in either case. ``late``: it may take the place of a failure
        that only says that the device could not be reached (``LATE_CODES``). Put the sample files into
        ``objects`` first. Raises InfrastructureError ``store.object-missing`` when one is not there, and
        FarmBug ``store.run-missing`` when the run was never added.
        """
        for sha256 in (*result.sample_hashes, *result.trace_hashes):
            if not self.objects.has(sha256):
                raise InfrastructureError(
                    f"the samples or traces {sha256[:12]}... of job {result.job_id} are not in the store",
                    code="store.object-missing",
                    fix="fetch the job's samples again before its result is stored",
                )
        with store_faults(self.name), writing(self.engine).begin() as connection:
            if not connection.execute(select(RUN.c.run_id).where(RUN.c.run_id == result.run_id)).first():
                raise FarmBug(f"run {result.run_id} was never added", code="store.run-missing")
            columns = columns_of(result)
            statement = self._insert(columns, late=late)
            added = int(connection.execute(statement, execution_options=COUNTED).rowcount) == 1
            if added:
                self._follow(connection, result, columns["record"])
            if also is not None:
                also(connection)
            return added

    def _follow(self, connection: Connection, result: Result, record: str) -> None:
        """What goes with a row: its document, and how its series stands now."""
        document = insert_into(self.engine, DOCUMENT).values(
            job_id=result.job_id, packed=pack_document(result, record)
        )
        packed = {"packed": document.excluded.packed}
        connection.execute(document.on_conflict_do_update(index_elements=[DOCUMENT.c.job_id], set_=packed))
        note_result(connection, result)

    def _insert(self, columns: dict[str, Any], *, late: bool) -> Any:  # noqa: ANN401 - the two dialects
        statement = insert_into(self.engine, RESULT).values(columns)
        if not late:
            return statement.on_conflict_do_nothing()
        return statement.on_conflict_do_update(
            index_elements=[RESULT.c.job_id],
            set_={name: statement.excluded[name] for name in RESULT.c.keys() if name != "job_id"},  # noqa: SIM118
            where=and_(RESULT.c.status == "failed", RESULT.c.error_code.in_(LATE_CODES)),
        )

    def has_result(self, job_id: str) -> bool:
        """Whether there is a result of exactly this job."""
        query = select(RESULT.c.job_id).where(RESULT.c.job_id == job_id)
        with store_faults(self.name), self.engine.connect() as connection:
            return connection.execute(query).first() is not None

    def run(self, run_id: str) -> Run | None:
        """One run by its whole id; None when there is none."""
        query = select(RUN.c.record).where(RUN.c.run_id == run_id)
        with store_faults(self.name), self.engine.connect() as connection:
            text = connection.execute(query).scalar()
            return None if text is None else codec.loads(Run, str(text))

    def results(
        self,
        run_id: str | None = None,
        *,
        device: str | None = None,
        model: str | None = None,
        runtime: str | None = None,
        status: str | None = None,
        limit: int | None = None,
        last: bool = False,
    ) -> list[Result]:
        """Results that match every filter, sorted by run, model, device, runtime and precision.

        ``run_id``: whole, a unique prefix, or "last"; ``last`` means the same as "last". ``limit`` keeps
        the newest. Raises UsageError ``results.unknown-run``, ``results.ambiguous-run``.
        """
        wanted = {"device": device, "model": model, "runtime": runtime, "status": status}
        if last or run_id is not None:
            wanted["run_id"] = self.find_run("last" if last or run_id is None else run_id)
        return self._select(and_(true(), *conditions(wanted)), limit)

    def result(self, job_id: str) -> Result:
        """One result by its job id or a unique prefix of it.

        Raises UsageError ``results.unknown-job``, ``results.ambiguous-job``.
        """
        return self._select(RESULT.c.job_id == find_id(self, RESULT.c.job_id, job_id, "job"), None)[0]

    def of_jobs(self, job_ids: Sequence[str]) -> list[Result]:
        """The results of these jobs, by whole ids; those that are not here are left out."""
        jobs = list(dict.fromkeys(job_ids))
        return [result for part in in_parts(jobs) for result in self._select(RESULT.c.job_id.in_(part), None)]

    def runs(self, limit: int | None = None, *, state: str | None = None) -> list[Run]:
        """Runs, the newest first; with ``state``, only those."""
        query = select(RUN.c.record).order_by(RUN.c.created_unix_s.desc(), RUN.c.run_id.desc()).limit(limit)
        if state is not None:
            query = query.where(RUN.c.state == state)
        with store_faults(self.name), self.engine.connect() as connection:
            return [codec.loads(Run, str(row[0])) for row in connection.execute(query)]

    def find_run(self, run_id: str) -> str:
        """The whole id of a run, given whole, as a unique prefix, or as "last" or "last~1".

        Raises UsageError ``results.unknown-run``, ``results.ambiguous-run``.
        """
        if counted := LAST.fullmatch(run_id):
            newest = (RUN.c.created_unix_s.desc(), RUN.c.run_id.desc())
            query = select(RUN.c.run_id).order_by(*newest).limit(1).offset(int(counted[1] or 0))
            with store_faults(self.name), self.engine.connect() as connection:
                found = connection.execute(query).scalar()
            if found is not None:
                return str(found)
        return find_id(self, RUN.c.run_id, run_id, "run")

    def count(self) -> int:
        """How many results the store holds."""
        with store_faults(self.name), self.engine.connect() as connection:
            return int(connection.execute(select(func.count()).select_from(RESULT)).scalar_one())

    def _select(self, where: ColumnElement[bool], limit: int | None) -> list[Result]:
        query = (
            select(RESULT.c.record, DOCUMENT.c.packed, RUN.c.created_unix_s)
            .join(RUN, RUN.c.run_id == RESULT.c.run_id)
            .join(DOCUMENT, DOCUMENT.c.job_id == RESULT.c.job_id)
            .where(where)
            .order_by(RESULT.c.created_unix_s.desc(), RESULT.c.job_id)
            .limit(limit)
        )
        with store_faults(self.name), self.engine.connect() as connection:
            found = connection.execute(query)
            rows = [(result_of(row[0], row[1], whole=False), float(row[2])) for row in found]
        return [result for result, _ in sorted(rows, key=lambda row: (row[1], *_order(row[0])))]


def _order(result: Result) -> tuple[object, ...]:
    parts = (result.run_id, result.model, result.device, result.runtime, result.format, result.precision)
    return (*parts, result.threads, result.job_id)


def open_store(where: str | Path) -> Store:
    """Open a store by folder, .db file or URL; create or migrate it when needed. See ``open_engine``."""
    location = locate(where)
    store = Store(open_engine(location), location)
    store.objects.sweep()
    return store
