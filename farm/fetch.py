"""What comes back from a job's device: the result and the files that it names, each proved by its hash."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from farm import untrusted
from farm.errors import InfrastructureError
from farm_agent.wire import Blob, JobResult, JobSpec

if TYPE_CHECKING:
    from farm.agent_client import AgentClient
    from farm.transports import Transport

FETCH_TIMEOUT_S = 300.0


@dataclass(frozen=True)
class Fetched:
    """A job's result as it came from the device: samples as local files, in the blocks' order.

    ``traces``: what the sensors told during the blocks that have them; ``energy_traces``: the same for the
    energy windows; ``outputs``: what the model answered on the data set; ``timing_cache``: what a build on
    the device left for the next one. ``result_sha256``: of the device's own file, for the acknowledgement.
    """

    spec: JobSpec
    result: JobResult
    samples: tuple[Path, ...]
    sent_bytes: int
    sent_files: int
    traces: tuple[Path, ...] = ()
    energy_traces: Path | None = None
    outputs: Path | None = None
    timing_cache: Path | None = None
    result_sha256: str = ""


def fetch(
    client: AgentClient, transport: Transport, spec: JobSpec, sent: tuple[int, int], scratch: Path
) -> Fetched:
    """Bring an ended job's result to ``scratch``. Raises job.no-result, job.unknown, link.corrupt,
    link.too-large, agent.garbled, and the link's errors."""
    from farm_agent.engines import CACHE_LIMIT_BYTES

    result, result_sha256 = client.result(spec.job_id)
    folder = scratch / spec.job_id
    folder.mkdir(parents=True, exist_ok=True)

    def get(blob: Blob, limit_bytes: int = untrusted.MOST_FETCHED_BYTES) -> Path:
        untrusted.plain_name(blob, limit_bytes)
        return _fetch_blob(transport, client.job_path(spec.job_id, blob.name), blob, folder)

    samples = tuple(get(block.samples) for block in result.blocks)
    traces = tuple(get(block.traces) for block in result.blocks if block.traces)
    energy = get(result.energy.traces) if result.energy and result.energy.traces else None
    evaluated = result.evaluation.outputs if result.evaluation else None
    outputs = get(_bounded(evaluated), evaluated.size_bytes) if evaluated else None
    timing = result.build.timing_cache if result.build else None
    kept = get(timing) if timing and timing.size_bytes <= CACHE_LIMIT_BYTES else None
    return Fetched(spec, result, samples, *sent, traces, energy, outputs, kept, result_sha256)


def _bounded(outputs: Blob) -> Blob:
    """Refuse outputs of a size that no agent keeps."""
    from farm_agent.collect import MAX_OUTPUT_BYTES

    if outputs.size_bytes > MAX_OUTPUT_BYTES + (1 << 20):
        raise InfrastructureError(
            f"the device wants to send {outputs.size_bytes / 2**20:.0f} MiB of outputs",
            code="link.too-large",
            fix="give fewer samples, and look at what the device runs: its agent keeps less",
        )
    return outputs


def _fetch_blob(transport: Transport, source: str, blob: Blob, folder: Path) -> Path:
    target = folder / blob.name
    for _ in range(2):
        transport.get(source, target, timeout_s=FETCH_TIMEOUT_S, limit_bytes=blob.size_bytes)
        if hashlib.sha256(target.read_bytes()).hexdigest() == blob.sha256:
            return target
    raise InfrastructureError(
        f"{blob.name} arrived with another hash than the device gave, twice",
        code="link.corrupt",
        fix="check the device's memory and disk; its copy is kept until it arrives whole",
    )
