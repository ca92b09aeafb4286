"""Rows of jobs that were begun and whose result is not stored and acknowledged yet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import delete, select, update

from farm.jobs.context import JobContext
from farm_agent import codec
from farm_results.storage.engine import insert_into, writing
from farm_results.storage.faults import store_faults
from farm_results.storage.schema import JOB

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine

# In this order, each optional. STORED: its result is here, and the device was not told that yet.
BEGUN = "begun"
STARTED = "started"
STORED = "stored"


@dataclass(frozen=True)
class JobRow:
    """A job under way. ``result_sha256``: of what was stored, for the acknowledgement; "" before."""

    job_id: str
    run_id: str
    device: str
    state: str
    changed_unix_s: float
    record: str

    @property
    def context(self) -> JobContext:
        """What its result is judged by. Raises InfrastructureError ``job.unreadable``."""
        from farm.errors import InfrastructureError

        try:
            return codec.decode(JobContext, json.loads(self.record)["context"])
        except (ValueError, KeyError, TypeError) as error:
            raise InfrastructureError(
                f"what is kept of the job {self.job_id} cannot be read: {error}",
                code="job.unreadable",
                fix=f"farm jobs drop {self.job_id}",
            ) from error

    @property
    def result_sha256(self) -> str:
        """The hash of the device's result that was stored."""
        try:
            return str(json.loads(self.record).get("result_sha256", ""))
        except (ValueError, AttributeError):
            return ""


def begin(engine: Engine, context: JobContext) -> None:
    """Write down a job before anything of it reaches its device; a second time changes nothing.

    Its run must be in the store. Raises as ``Store`` does.
    """
    from farm.devices.leases import database_clock

    row = insert_into(engine, JOB).values(
        job_id=context.job_id,
        run_id=context.run_id,
        device=context.device,
        state=BEGUN,
        changed_unix_s=database_clock(engine),
        record=_record(context),
    )
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        connection.execute(row.on_conflict_do_nothing())


def started(engine: Engine, context: JobContext) -> None:
    """Say that the job's device has it now; ``context`` knows what was sent."""
    from farm.devices.leases import database_clock

    values = {"state": STARTED, "changed_unix_s": database_clock(engine), "record": _record(context)}
    change = update(JOB).where(JOB.c.job_id == context.job_id, JOB.c.state != STORED).values(values)
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        connection.execute(change)


def done(connection: Connection, job_id: str, result_sha256: str) -> None:
    """Say that the result is stored: for the transaction that stores it, as ``add_result(..., also=)``."""
    text = connection.execute(select(JOB.c.record).where(JOB.c.job_id == job_id)).scalar()
    if text is None:
        return
    record = {**json.loads(text), "result_sha256": result_sha256}
    connection.execute(
        update(JOB).where(JOB.c.job_id == job_id).values(state=STORED, record=json.dumps(record))
    )


def ended(connection: Connection, job_id: str) -> None:
    """Drop the row in the transaction that stores why there is no result to wait for."""
    connection.execute(delete(JOB).where(JOB.c.job_id == job_id))


def forget(engine: Engine, job_id: str) -> bool:
    """Drop the row: acknowledged, or nothing is to be waited for. False when there was none."""
    with store_faults(engine.url.render_as_string()), writing(engine).begin() as connection:
        return connection.execute(delete(JOB).where(JOB.c.job_id == job_id)).rowcount == 1


def unfinished(
    engine: Engine, device: str | None = None, *, devices: Sequence[str] | None = None
) -> tuple[JobRow, ...]:
    """Jobs of one device, of some or of all, the oldest first."""
    columns = (JOB.c.job_id, JOB.c.run_id, JOB.c.device, JOB.c.state, JOB.c.changed_unix_s, JOB.c.record)
    query = select(*columns).order_by(JOB.c.changed_unix_s, JOB.c.job_id)
    names = [device] if device is not None else devices
    if names is not None:
        query = query.where(JOB.c.device.in_(list(names)))
    with store_faults(engine.url.render_as_string()), engine.connect() as connection:
        return tuple(JobRow(*row) for row in connection.execute(query))


def _record(context: JobContext) -> str:
    return json.dumps({"context": codec.encode(context)}, separators=(",", ":"))
