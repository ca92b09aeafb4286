"""Make a ``Result`` of what came back from a device, or of why nothing did."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, NotRequired, TypedDict, Unpack

from farm_agent import codec, precisions, scenarios
from farm_agent.errors import FarmError
from farm_agent.messages.tool import ToolReport
from farm_agent.wire import BlockResult, Facts, Failure, JobResult, JobSpec
from farm_profiles.profile import Target
from farm_results import memory
from farm_results.accuracy import Assessment
from farm_results.model import Energy, Latency, Outliers, Result, Verdict


class Identity(TypedDict):
    """What is known of a cell before anything ran."""

    run_id: str
    job_id: str
    created_unix_s: float
    model: str
    model_sha256: str
    device: str
    profile: str
    target: Target
    scenario: NotRequired[str]
    batch: NotRequired[int | None]
    conditions: NotRequired[Mapping[str, str]]


def result_of(
    *,
    spec: JobSpec,
    job: JobResult,
    latency: Latency | None,
    verdict: Verdict,
    sample_hashes: Sequence[str] = (),
    trace_hashes: Sequence[str] = (),
    metrics: Mapping[str, float] | None = None,
    energy: Sequence[Energy] = (),
    outliers: Sequence[Outliers] = (),
    assessment: Assessment | None = None,
    facts: Facts | None = None,
    artifact: Mapping[str, Any] | None = None,
    sent_bytes: int = 0,
    **identity: Unpack[Identity],
) -> Result:
    """The result of a finished job. It is ``ok`` when the job left every sample that was planned, or a native
    tool's report; otherwise its numbers stay in the document, where nobody takes them for a measurement.
    A job that was stopped after its last process lacks only what would have followed: a rule says so.

    A tool's numbers are metrics (``tool_median_ns``), never a ``latency``: its protocol is not ours."""
    document = {
        "spec": codec.encode(spec),
        "job": codec.encode(job),
        "facts": codec.encode(facts),
        "artifact": codec.encode(dict(artifact or {})),
        "sent_bytes": sent_bytes,
    }
    base = replace(
        _blank(identity, "failed"),
        format=spec.artifact.format,
        runtime=spec.runtime,
        runtime_version=job.runtime_version,
        precision=spec.artifact.precision,
        executed_precision=job.proof.executed if job.proof else "",
        precision_share=precisions.share(spec.artifact.precision, job.proof),
        calibration=str((artifact or {}).get("calibration", "")),
        threads=spec.threads,
        scenario=spec.scenario,
        protocol=job.tool.protocol if job.tool else spec.protocol,
        artifact_sha256=spec.artifact.files[0].sha256 if spec.artifact.files else "",
        artifact_bytes=sum(blob.size_bytes for blob in spec.artifact.files),
        max_abs_error=job.check.max_abs_error if job.check else None,
        sample_hashes=tuple(sample_hashes),
        trace_hashes=tuple(trace_hashes),
        harness=_harness(job),
        document=document,
    )
    if not _whole(spec, job) or (latency is None and job.tool is None):
        return _with_failure(base, _why(job))
    return replace(
        base,
        status="ok",
        latency=latency,
        metrics={**(metrics or {}), **_tool_metrics(job.tool)},
        energy=tuple(energy),
        outliers=tuple(outliers),
        import_ns=_median(job.blocks, lambda block: block.import_ns),
        load_ns=_median(job.blocks, lambda block: block.load_ns),
        first_inference_ns=_median(job.blocks, lambda block: block.first_inference_ns),
        peak_memory_bytes=memory.peak_bytes(job.blocks),
        memory_delta_bytes=memory.delta_bytes(job.blocks),
        verdict=verdict,
        **_accuracy(job, assessment),
    )


def failed(
    *, error: FarmError, document: Mapping[str, Any] | None = None, **identity: Unpack[Identity]
) -> Result:
    """A cell that ended in an error."""
    failure = Failure(error.blame, error.code, error.message, error.fix)
    return replace(_with_failure(_blank(identity, "failed"), failure), document=dict(document or {}))


def skipped(*, reason: str, **identity: Unpack[Identity]) -> Result:
    """A cell that was never tried, and why."""
    return replace(_blank(identity, "skipped"), error_code="skipped", error_message=reason)


def _blank(identity: Identity, status: str) -> Result:
    """A failure belongs to the series that its numbers would have belonged to."""
    target, batch = identity["target"], identity.get("batch")
    return Result(
        job_id=identity["job_id"],
        run_id=identity["run_id"],
        created_unix_s=identity.get("created_unix_s", time.time()),
        model=identity["model"],
        model_sha256=identity["model_sha256"],
        device=identity["device"],
        profile=identity["profile"],
        format=target.format,
        runtime=target.runtime,
        runtime_version="",
        precision=target.precision,
        executed_precision="",
        threads=target.threads,
        options={**target.options, **({} if batch is None else {"batch": str(batch)})},
        scenario=identity.get("scenario", "latency"),
        conditions=dict(identity.get("conditions", {})),
        protocol="",
        status=status,
    )


def _with_failure(result: Result, failure: Failure) -> Result:
    return replace(
        result,
        error_blame=failure.blame,
        error_code=failure.code,
        error_message=failure.message,
        error_fix=failure.fix,
    )


def _accuracy(job: JobResult, found: Assessment | None) -> dict[str, Any]:
    """What the host found in the device's outputs; else what the device itself counted (an older agent, or a
    data set without outputs)."""
    counted = job.accuracy
    if found is None or found.problem:
        if counted is None:
            return {}
        return {"accuracy_metric": counted.metric, "accuracy": counted.value, "accuracy_count": counted.count}
    return {
        "accuracy_metric": found.metric,
        "accuracy": found.value,
        "accuracy_count": found.count,
        "accuracy_low": found.low,
        "accuracy_high": found.high,
        "accuracy_reference": found.reference,
        "accuracy_delta": found.delta,
        "accuracy_delta_low": found.delta_low,
        "accuracy_delta_high": found.delta_high,
        "agreement": dict(found.agreement),
    }


def _whole(spec: JobSpec, job: JobResult) -> bool:
    if job.outcome != "stopped":
        return job.outcome == "ok"
    return bool(job.blocks) and len(job.blocks) >= len(scenarios.load(spec.scenario).points(spec))


def _why(job: JobResult) -> Failure:
    """What to say of a job without numbers; the agent's own words where it has some."""
    if job.failure is not None:
        return job.failure
    if job.outcome == "interrupted":
        text = "the device restarted while it measured"
        return Failure("infrastructure", "job.interrupted", text, "measure again")
    if job.outcome == "stopped":
        return Failure("usage", "job.stopped", "the job was stopped before it was complete", "measure again")
    return Failure("bug", "job.no-samples", f"the job ended {job.outcome!r} without samples", "report it")


def _median(blocks: Sequence[BlockResult], field: Callable[[BlockResult], int]) -> float | None:
    return float(statistics.median(field(block) for block in blocks)) if blocks else None


def _harness(job: JobResult) -> str:
    """What timed the runs: native, python, both where the processes differ, or the tool's name."""
    if job.tool is not None:
        return job.tool.tool
    return "+".join(sorted({block.harness for block in job.blocks}))


def _tool_metrics(tool: ToolReport | None) -> dict[str, float]:
    """What a native tool printed, by name and unit."""
    if tool is None:
        return {}
    names = ("median_ns", "mean_ns", "min_ns", "max_ns", "stdev_ns", "throughput_per_s", "resolution_ns")
    found = {f"tool_{name}": getattr(tool, name) for name in names}
    found |= {f"tool_{name}_ns": value for name, value in tool.percentiles_ns.items()}
    found["tool_count"] = tool.count
    return {name: float(value) for name, value in found.items() if value is not None}
