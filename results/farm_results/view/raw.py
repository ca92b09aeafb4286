"""The raw samples and traces of a stored result, process by process."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from farm_agent import codec
from farm_agent.errors import FarmError, MeasurementError
from farm_agent.messages.traces import TraceFile
from farm_agent.wire import BlockResult, JobResult, JobSpec
from farm_results.energy.traces import parse_traces
from farm_results.measured import Measured, measured
from farm_results.samples import parse_samples

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.storage.objects import Objects


@dataclass(frozen=True)
class Process:
    """One process with its rows and what the sensors told meanwhile."""

    block: BlockResult
    measured: Measured
    traces: TraceFile


def summarised(result: Result, processes: list[Process]) -> list[Process]:
    """Those whose runs the result's latency summarises: all, or the ones that its scenario chooses."""
    from farm_results import scenarios

    try:
        spec = codec.decode(JobSpec, result.document.get("spec"))
        chosen = [id(one) for one in scenarios.of_latency(spec, [one.measured for one in processes])]
    except (codec.DecodeError, FarmError):
        return processes
    return [process for process in processes if id(process.measured) in chosen]


def job_of(result: Result) -> JobResult | None:
    """What the device sent, out of the result's document; None where nothing was measured.

    Raises MeasurementError ``samples.document`` when the document is not what farm writes.
    """
    document = result.document.get("job")
    if document is None:
        return None
    try:
        return codec.decode(JobResult, document)
    except codec.DecodeError as error:
        raise MeasurementError(
            f"the stored record of {result.job_id} cannot be read: {error}",
            code="samples.document",
            fix="show it with the farm that measured it",
        ) from error


def load(result: Result, job: JobResult, objects: Objects) -> list[Process]:
    """Raises InfrastructureError store.object-missing, store.object-corrupt; MeasurementError samples.*,
    traces.*."""
    traced = iter(result.trace_hashes)
    processes = []
    for block, sha256 in zip(job.blocks, result.sample_hashes, strict=False):
        with objects.open(sha256) as stream:
            rows = parse_samples(stream.read(), f"process {block.index}", block.columns)
        told = next(traced, None) if block.traces is not None else None
        traces = TraceFile()
        if told is not None:
            with objects.open(told) as stream:
                traces = parse_traces(stream.read(), f"traces of process {block.index}")
        processes.append(Process(block, measured(block, rows), traces))
    return processes
