"""One device's share of a run: its cells in order, each ending in a stored result, whatever happens."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm import engines, meters, provenance
from farm.artifacts import ArtifactDesk
from farm.devices.session import Session
from farm.drive import Driver, Fetched, Shipment, Watcher, shipment_of
from farm.errors import FarmBug, FarmError, InfrastructureError, JobError
from farm.measure import PROTOCOL, Measure
from farm.metering import Metering
from farm.outline import timeout_s
from farm.plan import Cell, Request, device_build_error
from farm.progress import Reporter
from farm_agent import faults, scenarios
from farm_agent.wire import Event, Facts, GatePlan, JobSpec

if TYPE_CHECKING:
    from farm.power import MeterSettings
    from farm_converters.recipe import Artifact
    from farm_results.align import MeterRecord
    from farm_results.build import Identity
    from farm_results.model import Result
    from farm_results.store import Store

FIRST_CONTACT_PATIENCE_S = 15.0
BLIND_CODES = ("device.unreachable", "device.host-key", "device.auth", "device.no-python")


@dataclass(frozen=True)
class Work:
    """What the workers of one run share."""

    run_id: str
    request: Request
    store: Store
    desk: ArtifactDesk
    reporter: Reporter
    holder: str
    stop: threading.Event
    scratch: Path
    meters: tuple[MeterSettings, ...] = ()


def run_cells(work: Work, session: Session, cells: Sequence[Cell]) -> None:
    """Run the cells of one device; every cell that was begun leaves a stored result.

    A device that cannot be reached fails its remaining cells at once, with the reason.
    """
    blind: FarmError | None = None
    try:
        for cell in cells:
            if work.stop.is_set():
                return
            try:
                if cell.runs and blind is None:
                    _run(work, session, cell)
                    continue
                error = cell.error or blind
                _keep(work, cell, _skipped(work, cell) if error is None else _failed(work, cell, error))
            except FarmError as error:
                _keep(work, cell, _failed(work, cell, error))
                if error.code.startswith(BLIND_CODES):
                    blind = error
    finally:
        if blind is None:
            session.tidy()
        session.close()


def _run(work: Work, session: Session, cell: Cell) -> None:
    try:
        session.tell = lambda text: work.reporter.stage(cell, text, 0.0)
        work.reporter.stage(cell, "connect", 0.0)
        session.reach(patience_s=FIRST_CONTACT_PATIENCE_S)
        facts = session.facts(patience_s=FIRST_CONTACT_PATIENCE_S)
        skip = runtime_problem(work.request, cell, facts)
        if skip:
            _keep(work, cell, _skipped(work, cell, skip))
            return
        work.reporter.stage(cell, "wait for the artifact", 0.0)
        artifact = work.desk.collect(cell, work.stop)
        if cell.device.transport == "local":
            work.reporter.stage(cell, "wait until nothing converts on this machine", 0.0)
            work.desk.wait_all(work.stop)
        spec, shipment = _spec(work, cell, artifact, facts)
        driver = Driver(session, work.store.engine, work.holder, work.stop, work.request.wait_s, work.scratch)
        metering = Metering(session, meters.of_device(work.meters, cell.device.name))
        metering.prepare()

        def keep(fetched: Fetched) -> None:
            _measured(work, cell, artifact, facts, fetched, metering.finish())

        try:
            driver.drive(spec, shipment, keep, _Tell(work, cell, spec, metering))
        finally:
            metering.finish()
    except FarmError:
        raise
    except Exception as error:
        raise FarmBug(f"{type(error).__name__}: {error}", code="farm.bug") from error


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


def _spec(work: Work, cell: Cell, artifact: Artifact, facts: Facts) -> tuple[JobSpec, Shipment]:
    ready = work.desk.dataset(cell, work.stop)
    measure = work.request.measure
    spec = JobSpec(
        job_id=cell.job_id,
        fence=0,
        artifact=artifact.spec,
        runtime=cell.target.runtime,
        plan=work.request.blocks,
        threads=cell.target.threads,
        options=dict(cell.target.options),
        golden=artifact.golden,
        dataset=ready.dataset if ready else None,
        process_timeout_s=timeout_s(cell.profile.limits.process_timeout_s, work.request.blocks, measure),
        memory_limit_bytes=(cell.profile.limits.memory_mb or 0) * 1024 * 1024,
        protocol=PROTOCOL,
        scenario=measure.scenario,
        scenario_options=_scenario_options(measure, cell, facts),
        harness=measure.harness,
        gate=_gate(measure, cell),
        pins=measure.pins,
        sensors=cell.profile.sensors,
        energy=meters.planned(measure.energy, meters.of_device(work.meters, cell.device.name)),
        profile_ops=measure.profile_ops,
        tool=measure.tool,
    )
    if artifact.where == "device" and not measure.tool:  # a tool builds for itself
        build, extra = engines.plan_of(work.request, cell, facts, work.desk.cache_dir)
        # The address space of a process with a GPU's driver says nothing of the memory that it uses
        spec = replace(spec, build=build, memory_limit_bytes=0)
    else:
        extra = []
    parts = list(zip(artifact.spec.files, artifact.paths, strict=True))
    if artifact.golden and artifact.golden_path:
        parts.append((artifact.golden.blob, artifact.golden_path))
    if ready:
        parts.append((ready.dataset.blob, ready.path))
    parts += extra
    return spec, shipment_of(parts)


def _scenario_options(measure: Measure, cell: Cell, facts: Facts) -> dict[str, str]:
    """What was asked for, the batch of this cell, and the streams that the device's cores allow."""
    from farm_agent.scenarios.throughput import default_streams

    options = dict(measure.scenario_options)
    if cell.batch is not None:
        options["batch"] = str(cell.batch)
    if measure.scenario == "throughput" and "streams" not in options:
        options["streams"] = ",".join(map(str, default_streams(max(1, facts.cores))))
    return options


def _gate(measure: Measure, cell: Cell) -> GatePlan | None:
    """The gate asked for, with the temperature that the device's profile wants."""
    limit_c = cell.profile.limits.start_temperature_c
    if measure.gate is None or measure.gate.temperature_c is not None or limit_c is None:
        return measure.gate
    return replace(measure.gate, temperature_c=limit_c)


class _Tell(Watcher):
    """Turns what the loop says into progress."""

    def __init__(self, work: Work, cell: Cell, spec: JobSpec, metering: Metering) -> None:
        self._metering = metering
        self._work = work
        self._cell = cell
        self._blocks = len(scenarios.load(spec.scenario).points(spec))
        self._processes = self._blocks + 2
        self._ended = 0

    def stage(self, text: str) -> None:
        self._work.reporter.stage(self._cell, text, self._share())

    def event(self, event: Event) -> None:
        self._metering.event(event)
        if event.kind == "phase" and event.data.get("phase") == "energy":
            window = faults.shorten(str(event.data.get("window", "")), 40)
            self._work.reporter.stage(self._cell, f"energy: {window}", self._share())
        elif event.kind == "phase" and "done" in event.data:
            text = f"evaluate: {event.data['done']} of {event.data.get('count')} samples"
            self._work.reporter.stage(self._cell, faults.shorten(text, 60), self._share())
        elif event.kind == "block":
            self._ended += 1
            text = f"process {self._ended} of {self._blocks} measured"
            self._work.reporter.stage(self._cell, text, self._share())
        elif event.kind == "gate":
            self._work.reporter.stage(
                self._cell, faults.shorten(str(event.data.get("text", "")), 160), self._share()
            )

    def sent(self, byte_count: int) -> None:
        if byte_count:
            self._work.reporter.stage(self._cell, "ship", self._share())

    def _share(self) -> float:
        return min(1.0, (self._ended + 0.5) / self._processes)


def _measured(
    work: Work,
    cell: Cell,
    artifact: Artifact,
    facts: Facts,
    fetched: Fetched,
    records: Sequence[MeterRecord] = (),
) -> None:
    """Judge what came back and store it: samples first, then the row that points at them."""
    from farm import accuracy, energies
    from farm_results import outliers
    from farm_results import scenarios as summaries
    from farm_results.build import result_of
    from farm_results.verdicts import judge

    latency, metrics = summaries.summarise(fetched.spec, fetched.result, fetched.samples)
    native = cell.model.native_precision if cell.model else ""
    far = outliers.of_job(fetched.spec, fetched.result, fetched.samples, fetched.traces)
    power = energies.of_job(work.store.objects, fetched, records)
    ready = work.desk.dataset(cell, work.stop)
    assessment = accuracy.assessed(ready, fetched, work.scratch)
    calibrated = provenance.calibration(cell.recipe, ready, artifact)
    verdict = judge(
        fetched.spec,
        fetched.result,
        latency,
        native=native,
        outliers=far,
        energy=power.entries,
        assessment=assessment,
        calibration=calibrated,
    )
    hashes = tuple(work.store.objects.put_file(path) for path in fetched.samples)
    traces = tuple(work.store.objects.put_file(path) for path in fetched.traces)
    result = result_of(
        **_identity(work, cell),
        spec=fetched.spec,
        job=fetched.result,
        latency=latency,
        verdict=verdict,
        sample_hashes=hashes,
        trace_hashes=(*traces, *power.trace_hashes),
        metrics={**metrics, **power.metrics},
        outliers=far,
        energy=power.entries,
        assessment=assessment,
        facts=facts,
        artifact=provenance.about(artifact, calibrated),
        sent_bytes=fetched.sent_bytes,
    )
    if ready and assessment:
        about = accuracy.document(ready, assessment)
        result = replace(result, document={**result.document, "accuracy": about})
    if power.document:
        result = replace(result, document={**result.document, "energy": dict(power.document)})
    if fetched.result.outcome == "stopped" and result.status == "failed" and work.stop.is_set():
        result = replace(result, error_code="run.interrupted", error_message="interrupted while it measured")
    _keep(work, cell, result)
    try:
        engines.keep(cell, facts, fetched, work.desk.cache_dir)
    except FarmError as error:  # the next build takes longer
        work.reporter.note(f"{cell.job_id}: the timing cache could not be kept: {error.message}")


def _failed(work: Work, cell: Cell, error: FarmError) -> Result:
    from farm_results.build import failed

    return failed(**_identity(work, cell), error=error)


def _skipped(work: Work, cell: Cell, why: str = "") -> Result:
    from farm_results.build import skipped

    return skipped(**_identity(work, cell), reason=why or cell.skip)


def _keep(work: Work, cell: Cell, result: Result) -> None:
    if cell.batch is not None:
        result = replace(result, options={**result.options, "batch": str(cell.batch)})
    try:
        work.store.add_result(result)
    except FarmError as error:
        work.reporter.note(f"{cell.job_id}: the result could not be stored: {error.message}")
        raise InfrastructureError(error.message, code=error.code, fix=error.fix) from error
    work.reporter.end(cell, result)


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
    }
