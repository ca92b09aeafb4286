"""End what other drivers left on a device: attach, fetch, judge, store, acknowledge; each job once.

Whoever holds a device's lease is the only driver of this store on it, so every row of its jobs is an orphan.
"""

from __future__ import annotations

import socket
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from farm.drive import LINK_PATIENCE_S, Driver, Fetched, Order, Shipment, Watcher
from farm.errors import FarmError, InfrastructureError
from farm.jobs import rows

if TYPE_CHECKING:
    from farm.devices.hold import Hold
    from farm.jobs.context import JobContext
    from farm.jobs.rows import JobRow

# Errors of the device or the store, which say nothing of the job: it is tried again at the next contact.
AGAIN = (
    "lease.",
    "store.",
    "host.",
    "link.lost",
    "link.timeout",
    "device.unreachable",
    "device.busy",
    "device.auth",
    "device.host-key",
    "agent.silent",
)
# Errors of bringing this one job home. Others need not wait for it, and after a day it is given up.
ITS_OWN = ("link.corrupt", "link.incomplete", "link.too-large", "agent.garbled", "device.disk-")
TRIED_FOR_S = 24 * 3600.0


class Keeper(Protocol):
    """Judges and stores what other drivers left."""

    def wanted(self, row: JobRow) -> bool:
        """Whether the job's run still wants its result: no person interrupted it."""

    def answered(self, row: JobRow) -> bool:
        """Whether a result, or why there is none, is stored already."""

    def keep(self, context: JobContext, fetched: Fetched) -> None:
        """Judge and store under the job's own run, the row's end in the same transaction."""

    def fail(self, row: JobRow, error: FarmError) -> None:
        """Store why there is no result, the row's end in the same transaction."""

    def note(self, text: str) -> None:
        """Something worth a line."""


def again_later(error: FarmError) -> bool:
    """Whether the job may still end well after this error: its row stays."""
    return error.code.startswith((*AGAIN, *ITS_OWN))


def bring_home(driver: Driver, held: Hold, give_up: float, watcher: Watcher) -> int:
    """End every job that is written down for the device; how many did. Until ``give_up`` at most.

    Raises what keeps the device or the store from being used at all, lease.timeout when a job outlasts
    ``give_up``.
    """
    known = rows.unfinished(driver.engine, held.lease.device)
    left = [row for row in known if row.job_id != held.lease.job_id]
    if driver.keeper is None or not left:
        return 0
    names = [row.job_id for row in left]
    running = driver.session.hello(patience_s=LINK_PATIENCE_S).running
    ended = 0
    for row in sorted(left, key=lambda each: each.job_id not in running):
        watcher.stage(f"waiting: ends {row.job_id}, whose driver is gone")
        try:
            ended += _end(driver, driver.keeper, row, held, give_up, watcher, names)
        except FarmError as error:
            if error.code.startswith(AGAIN):
                raise
            if error.code.startswith(ITS_OWN) and time.time() - row.changed_unix_s < TRIED_FOR_S:
                driver.keeper.note(f"{row.job_id} could not be brought home now: {error.message}")
                continue
            driver.keeper.fail(row, error)
            ended += 1
    return ended


def _end(
    driver: Driver,
    keeper: Keeper,
    row: JobRow,
    held: Hold,
    give_up: float,
    watcher: Watcher,
    names: list[str],
) -> bool:
    """One job; True when nothing of it is left to do."""
    fence, _ = driver.settle(held, row.job_id, give_up, watcher, names)
    if row.state == rows.STORED:
        told = driver.acknowledge(row.job_id, row.result_sha256, fence)
        return told and rows.forget(driver.engine, row.job_id)
    context = row.context
    if why := _not_here(context):
        keeper.note(f"{row.job_id}: {why}: run `farm jobs collect` there")
        return False
    spec = replace(context.spec, fence=fence)
    blobs = tuple((part.blob, Path(part.path)) for part in context.parts)
    order = Order(spec, Shipment(blobs), lambda fetched: keeper.keep(context, fetched), context)
    if not _known(driver, row.job_id, fence):
        _refuse_start(keeper, row, context)
        driver.carry(order, held, give_up, _Quiet(watcher))
        return True
    if not keeper.wanted(row):
        driver.stop_job(row.job_id, fence)
    sent = (context.sent_bytes, context.sent_files)
    driver.finish(order, sent, held, _Quiet(watcher), leave_at=give_up)
    return True


def _known(driver: Driver, job_id: str, fence: int) -> bool:
    """Whether the device ever started the job."""
    try:
        driver.session.call(
            lambda client, _: client.attach(job_id, 0, 0.0, fence), patience_s=LINK_PATIENCE_S
        )
    except InfrastructureError as error:
        if error.code != "job.unknown":
            raise
        return False
    return True


def _refuse_start(keeper: Keeper, row: JobRow, context: JobContext) -> None:
    """Raise why a job that its device does not know is not started now."""
    if row.state == rows.STARTED:
        raise InfrastructureError(
            f"the device does not know the job {row.job_id} any more",
            code="job.lost",
            fix="somebody removed the agent's files there; run it again as a new job",
        )
    old = time.time() - row.changed_unix_s > TRIED_FOR_S
    if old or not keeper.wanted(row) or keeper.answered(row) or context.missing():
        raise InfrastructureError(
            "its driver died before the job was started; nothing was measured",
            code="run.interrupted",
            fix="run it again",
        )


def _not_here(context: JobContext) -> str:
    """Why the job cannot be judged by this process; "" when it can, or when it no more can anywhere."""
    from farm import audit
    from farm_results import metrics

    data = context.data
    if data is None:
        return ""
    if metrics.is_custom(data.metric) and context.owner != audit.person():
        # Somebody else's code is not run because a row of the store names it.
        return f"its metric {data.metric} is of {context.owner}"
    here = context.host == socket.gethostname()
    if here or (Path(data.reference_path).is_file() and Path(data.path).is_file()):
        return ""
    return f"its data set lies on {context.host}"


class _Quiet(Watcher):
    """Passes on that time goes by, not what another run's job does."""

    def __init__(self, watcher: Watcher) -> None:
        self._watcher = watcher

    def stage(self, text: str) -> None:
        if text in ("ship", "measure") or text.startswith("waiting"):
            self._watcher.stage(f"waiting: another run's job: {text.removeprefix('waiting: ')}")
