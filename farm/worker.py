"""One device's share of a run: its cells in order, each ending in a stored result, whatever happens."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm import engines, meters
from farm.artifacts import ArtifactDesk
from farm.devices.session import Session
from farm.drive import Driver, Fetched
from farm.errors import FarmBug, FarmError, InfrastructureError, JobError
from farm.jobs import spooling
from farm.jobs.context import JobContext
from farm.jobspec import context_of, spec_of
from farm.measure import conditions
from farm.metering import Metering
from farm.plan import Cell, Request, device_build_error
from farm.progress import Reporter
from farm.watching import Stages, Tell
from farm_agent.wire import Facts

if TYPE_CHECKING:
    from farm.ab.bench import Opponent
    from farm.health.states import Standing
    from farm.power import MeterSettings
    from farm_results.build import Identity
    from farm_results.energy.align import MeterRecord
    from farm_results.model import Result
    from farm_results.store import Store

FIRST_CONTACT_PATIENCE_S = 15.0
BLIND_CODES = ("device.unreachable", "device.host-key", "device.auth", "device.no-python")


@dataclass(frozen=True)
class Work:
    """What the workers of one run share. ``drift``: by device, what changed since it was accepted;
    ``against``: by job id, what a cell is measured in turns with (``farm.ab``); None in ordinary runs;
    ``announce``: hears of a device that was put out of use."""

    run_id: str
    request: Request
    store: Store
    desk: ArtifactDesk
    reporter: Reporter
    holder: str
    stop: threading.Event
    scratch: Path
    meters: tuple[MeterSettings, ...] = ()
    drift: dict[str, tuple[str, ...]] = field(default_factory=dict)
    against: Mapping[str, Opponent] | None = None
    spooling: spooling.Spooling | None = None
    judges: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(os.cpu_count() or 1))
    announce: Callable[[Standing], None] = lambda _standing: None


def run_cells(work: Work, session: Session, cells: Sequence[Cell]) -> None:
    """Run the cells of one device; every cell that was begun leaves a stored result, and none is begun after
    the request's budget.

    A device that cannot be reached, or may not be used, fails its remaining cells at once, with the reason.
    """
    blind: FarmError | None = None
    doubt = False
    end_s = time.monotonic() + work.request.budget_s
    try:
        if any(cell.runs for cell in cells):
            blind = _refused(work, session, cells)
        for cell in cells:
            if work.stop.is_set() or time.monotonic() > end_s:
                return
            try:
                if cell.runs and blind is None and doubt:
                    blind, doubt = _refused(work, session, cells), False
                if cell.runs and blind is None:
                    doubt = _run(work, session, cell) or doubt
                    continue
                error = cell.error or blind
                _keep_unmeasured(
                    work, cell, _skipped(work, cell) if error is None else _failed(work, cell, error)
                )
            except FarmError as error:
                doubt = _fail(work, session, cell, error) or doubt
                if error.code.startswith(BLIND_CODES):
                    blind = error
        if doubt and blind is None and not work.stop.is_set():
            _refused(work, session, cells)  # nobody should find it suspect who could be told how it is
    finally:
        if blind is None:
            session.tidy()
        session.close()


def _refused(work: Work, session: Session, cells: Sequence[Cell]) -> FarmError | None:
    """Why the device may not be used now; before that, what other drivers left on it is brought home."""
    from farm import health
    from farm.jobs import rows

    cell = next(cell for cell in cells if cell.runs)
    name = session.device.name
    try:
        if rows.unfinished(work.store.engine, name):
            work.reporter.stage(cell, "connect", 0.0)
            session.reach(patience_s=FIRST_CONTACT_PATIENCE_S)
            driver_of(work, session).collect(f"{cell.job_id}-left", Stages(work, cell))
        health.ready(
            work.store.engine,
            session,
            cache_dir=work.desk.cache_dir,
            anyway=work.request.anyway,
            wait_s=work.request.wait_s,
            stop=work.stop,
            note=work.reporter.note,
            announce=work.announce,
        )
    except FarmError as error:
        _blame(work, session, error)
        return error
    except Exception as error:  # noqa: BLE001 - a defect costs this device's cells, not the run
        return FarmBug(f"{type(error).__name__}: {error}", code="farm.bug")
    return None


def _run(work: Work, session: Session, cell: Cell) -> bool:
    """Whether the device is suspect after it: the agent itself may tell of a device that failed the job."""
    from farm.ab import bench as ab

    suspect: list[bool] = []
    safe: list[str] = []
    try:
        session.tell = lambda text: work.reporter.stage(cell, text, 0.0)
        work.reporter.stage(cell, "connect", 0.0)
        session.reach(patience_s=FIRST_CONTACT_PATIENCE_S)
        facts = session.facts(patience_s=FIRST_CONTACT_PATIENCE_S)
        skip = runtime_problem(work.request, cell, facts)
        if skip:
            _keep_unmeasured(work, cell, _skipped(work, cell, skip))
            return False
        work.reporter.stage(cell, "wait for the artifact", 0.0)
        artifact = work.desk.collect(cell, work.stop)
        ready = work.desk.dataset(cell, work.stop)
        if cell.device.transport == "local":
            work.reporter.stage(cell, "wait until nothing converts on this machine", 0.0)
            work.desk.wait_all(work.stop)
        if work.against is not None:
            ab.measure(work, session, cell, artifact, facts)
            return False
        job = spec_of(work, cell, artifact, facts, ready)
        context = replace(
            context_of(work, cell, artifact, facts, ready, job), drift=_drift(work, session, facts)
        )
        metering = Metering(session, meters.of_device(work.meters, cell.device.name))
        metering.prepare()

        def keep(fetched: Fetched) -> None:
            try:
                _measured(work, cell, context, fetched, metering.finish())
            except spooling.SpooledError:
                safe.append(cell.job_id)  # whatever fails on the way out from here, for the store is away
                raise
            failure = fetched.result.failure
            suspect.append(failure is not None and _blame(work, session, failure.to_error()))

        tell = Tell(work, cell, job[0], metering)
        try:
            driver_of(work, session).drive(*job, keep, tell, context)
        finally:
            metering.finish()
    except FarmError:
        if safe:
            return any(suspect)
        raise
    except Exception as error:
        raise FarmBug(f"{type(error).__name__}: {error}", code="farm.bug") from error
    return any(suspect)


def _drift(work: Work, session: Session, facts: Facts) -> tuple[str, ...]:
    """What changed of the device since it was accepted; told once per run."""
    from farm import health

    name = session.device.name
    if name not in work.drift:
        work.drift[name] = health.seen(work.store.engine, name, facts)
        for line in work.drift[name]:
            work.reporter.note(f"{name} changed since it was accepted: {line}")
    return work.drift[name]


def driver_of(work: Work, session: Session) -> Driver:
    """What drives this run's jobs on a device, and ends what other drivers left there."""
    from farm import audit
    from farm.jobs.keeper import StoreKeeper

    return Driver(
        session,
        work.store.engine,
        work.holder,
        work.stop,
        work.request.wait_s,
        work.scratch,
        owner=audit.person(),
        priority=work.request.priority,
        keeper=StoreKeeper(work.store, work.scratch, work.desk.cache_dir, work.reporter.note),
    )


def runtime_problem(request: Request, cell: Cell, facts: Facts) -> str:
    """Why this device cannot run the cell's runtime: a skip by default, an error when it was asked for."""
    from farm_converters.convert import where

    fact = next((f for f in facts.runtimes if f.name == cell.target.runtime), None)
    if request.measure.tool or (fact is not None and not fact.unavailable):
        return ""  # a tool brings its runtime along; its agent says where it is missing
    why = fact.unavailable if fact else f"its agent knows no runtime {cell.target.runtime}"
    if cell.target.runtime in request.runtimes:
        if cell.model and where(cell.model.format, cell.target.format) == "device":
            raise device_build_error(cell)
        raise JobError(
            f"{cell.device.name} cannot run {cell.target.runtime}: {why}",
            code="runtime.missing",
            fix=fact.fix if fact else "",
        )
    return f"{why} (fix: {fact.fix})" if fact and fact.fix else why


def _measured(
    work: Work, cell: Cell, context: JobContext, fetched: Fetched, records: Sequence[MeterRecord]
) -> None:
    """Judge what came back and store it: samples first, then the row that points at them. A few at a time:
    hundreds of devices may end at once, and a judge needs all samples of a job in memory."""
    from farm.jobs.judge import judged

    with work.judges:
        result = judged(
            context,
            fetched,
            records,
            objects=work.store.objects,
            scratch=work.scratch,
            interrupted=work.stop.is_set(),
        )
    spooling.keep(work, cell, result, {spooling.DONE: fetched.result_sha256})
    try:
        engines.keep_for(context, fetched, work.desk.cache_dir)
    except FarmError as error:  # the next build takes longer
        work.reporter.note(f"{cell.job_id}: the timing cache could not be kept: {error.message}")
    shutil.rmtree(work.scratch / cell.job_id, ignore_errors=True)  # the store has it now


def _fail(work: Work, session: Session, cell: Cell, error: FarmError) -> bool:
    """Store why a cell has no result; whether the device is suspect. What is written down of its job stays
    where the job itself may still end well: whoever has the device next brings it home."""
    from farm.jobs.adopt import again_later

    suspect = _blame(work, session, error)
    note = {} if again_later(error) else {spooling.ENDED: "yes"}
    _keep_unmeasured(work, cell, _failed(work, cell, error), note)
    return suspect


def _keep_unmeasured(work: Work, cell: Cell, result: Result, note: Mapping[str, str] | None = None) -> None:
    """Store a cell that has no number; in turns as a comparison, which disturbs no series."""
    from farm.ab import unplayed

    if work.against is None:
        spooling.keep(work, cell, result, note)
    else:
        unplayed.keep(work, cell, result)


def _blame(work: Work, session: Session, error: FarmError) -> bool:
    """Let the device's health know of what may be its fault."""
    from farm import health

    return isinstance(error, InfrastructureError) and health.blame(work.store.engine, session, error)


def _failed(work: Work, cell: Cell, error: FarmError) -> Result:
    from farm_results.build import failed

    return failed(**_identity(work, cell), error=error)


def _skipped(work: Work, cell: Cell, why: str = "") -> Result:
    from farm_results.build import skipped

    return skipped(**_identity(work, cell), reason=why or cell.skip)


def _identity(work: Work, cell: Cell) -> Identity:
    """The fields of a result that are known before anything ran."""
    return {
        "run_id": work.run_id,
        "job_id": cell.job_id,
        "created_unix_s": time.time(),
        "model": cell.model_name,
        "model_sha256": cell.model.sha256 if cell.model else "",
        "device": cell.device.name,
        "profile": cell.profile.name,
        "target": cell.target,
        "scenario": work.request.measure.scenario,
        "batch": cell.batch,
        "conditions": conditions(work.request.measure),
    }
