"""A cell as a job: what the agent is told, the files that it needs, and what is written down of it."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import TYPE_CHECKING

from farm import audit, engines, meters, provenance
from farm.drive import Shipment, shipment_of
from farm.jobs.context import JobContext, MeterNote, Part, note_of
from farm.measure import PROTOCOL, Measure, conditions
from farm.outline import timeout_s
from farm.plan import Cell
from farm_agent.wire import Facts, GatePlan, JobSpec

if TYPE_CHECKING:
    from farm.datasets import Ready
    from farm.worker import Work
    from farm_converters.recipe import Artifact


def context_of(
    work: Work,
    cell: Cell,
    artifact: Artifact,
    facts: Facts,
    ready: Ready | None,
    job: tuple[JobSpec, Shipment],
) -> JobContext:
    """Everything that another driver needs to end the job. Raises JobError data.unreadable."""
    spec, shipment = job
    calibrated = provenance.calibration(cell.recipe, ready, artifact)
    watched = meters.of_device(work.meters, cell.device.name)
    return JobContext(
        run_id=work.run_id,
        job_id=cell.job_id,
        model=cell.model_name,
        model_sha256=cell.model.sha256 if cell.model else "",
        device=cell.device.name,
        profile=cell.profile.name,
        target=cell.target,
        spec=spec,
        facts=facts,
        artifact=provenance.about(artifact, calibrated),
        parts=tuple(Part(blob, str(path)) for blob, path in shipment.blobs),
        native=cell.model.native_precision if cell.model else "",
        batch=cell.batch,
        conditions=conditions(work.request.measure),
        data=note_of(ready),
        meters=tuple(MeterNote(each.name, each.kind) for each in watched) if spec.energy else (),
        host=socket.gethostname(),
        owner=audit.person(),
    )


def spec_of(
    work: Work, cell: Cell, artifact: Artifact, facts: Facts, ready: Ready | None
) -> tuple[JobSpec, Shipment]:
    """The job of a cell, and the files that it needs on the device. Raises UsageError build.option."""
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
