"""Judge what came back from a device, from what is written down of the job alone."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from farm.fetch import Fetched
from farm.jobs.context import DataNote, JobContext, MeterNote

if TYPE_CHECKING:
    from farm.datasets import Ready
    from farm_agent.wire import Dataset
    from farm_results.energy.align import MeterRecord
    from farm_results.model import Result
    from farm_results.storage.objects import Objects


def judged(
    context: JobContext,
    fetched: Fetched,
    records: Sequence[MeterRecord],
    *,
    objects: Objects,
    scratch: Path,
    interrupted: bool,
) -> Result:
    """The result with its verdict; its samples, traces and artifact are in ``objects`` then.

    ``records``: of the external meters. ``interrupted``: a person stopped the run.
    """
    from farm import accuracy, energies
    from farm_results import scenarios as summaries
    from farm_results.build import result_of
    from farm_results.statistics import outliers
    from farm_results.storage import kept
    from farm_results.verdicts import judge

    latency, metrics = summaries.summarise(fetched.spec, fetched.result, fetched.samples)
    far = outliers.of_job(fetched.spec, fetched.result, fetched.samples, fetched.traces)
    power = energies.of_job(objects, fetched, records)
    ready = ready_of(context.data, fetched.spec.dataset)
    assessment = accuracy.assessed(ready, fetched, scratch)
    calibrated = str(context.artifact.get("calibration", ""))
    verdict = judge(
        fetched.spec,
        fetched.result,
        latency,
        native=context.native,
        outliers=far,
        energy=power.entries,
        assessment=assessment,
        calibration=calibrated,
        drift=context.drift,
    )
    hashes = tuple(objects.put_file(path) for path in fetched.samples)
    traces = tuple(objects.put_file(path) for path in fetched.traces)
    result = result_of(
        **context.identity(time.time()),
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
        facts=context.facts,
        artifact=context.artifact,
        sent_bytes=fetched.sent_bytes,
    )
    if ready and assessment:
        about = accuracy.document(ready, assessment)
        result = replace(result, document={**result.document, "accuracy": about})
    if power.document:
        result = replace(result, document={**result.document, "energy": dict(power.document)})
    if result.status == "ok":
        kept.keep(objects, context.spec, [(part.blob, Path(part.path)) for part in context.parts])
    if fetched.result.outcome == "stopped" and result.status == "failed" and interrupted:
        result = replace(result, error_code="run.interrupted", error_message="interrupted while it measured")
    return result


def ready_of(note: DataNote | None, dataset: Dataset | None) -> Ready | None:
    """The data set as it was when the job began."""
    if note is None or dataset is None:
        return None
    from farm.datasets import Ready
    from farm_converters.dataset import Packed
    from farm_converters.evaluate import Reference

    packed = Packed(dataset, Path(note.path), note.count, note.labels)
    reference = Reference(Path(note.reference_path), note.count, note.reference_runtime, 0.0)
    return Ready(dataset, packed.path, note.metric, packed, reference)


def lost_records(meters: Sequence[MeterNote]) -> tuple[MeterRecord, ...]:
    """What another driver can say of the external meters: that they were read in vain."""
    from farm_agent.messages.traces import Channel, Trace
    from farm_results.energy.align import MeterRecord

    return tuple(
        MeterRecord(
            meter.name,
            meter.kind,
            Trace(meter.name, Channel("power", "power_w", "wall"), (), ()),
            problem_code="energy.meter-lost",
            problem="the process that read the meter died during the job",
        )
        for meter in meters
    )
