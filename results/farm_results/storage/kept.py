"""What is kept of a result so that it can be measured again years later: its artifact and golden data.

The files lie among the store's objects, by content, so that nights on which nothing changed cost nothing.
What they are is in the result's own job spec. An engine that a device built for itself is not kept, since it
runs on that device alone; the file that it was built from is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent import codec
from farm_agent.errors import FarmError, InfrastructureError
from farm_agent.wire import Blob, JobSpec, blobs_of

if TYPE_CHECKING:
    from farm_results.model import Result
    from farm_results.storage.objects import Objects

Part = tuple[Blob, Path]


@dataclass(frozen=True)
class Kept:
    """What a result's job was, and the files that it takes to do it again."""

    spec: JobSpec
    parts: tuple[Part, ...]
    artifact: Mapping[str, Any]


def keep(objects: Objects, spec: JobSpec, parts: Iterable[Part]) -> tuple[str, ...]:
    """Put the files of an ok job among the objects, all but its data set; the hashes that are there then.

    A file that is gone, or that is no longer what it was, is left out: the result counts without it. Raises
    as ``Objects.put_file`` does where the disk is full.
    """
    there = []
    wanted = {blob.sha256 for blob in _blobs(spec)}
    for blob, path in parts:
        if blob.sha256 not in wanted:
            continue
        if not objects.claim(blob.sha256):
            if not path.is_file():
                continue
            try:
                objects.put_file(path, blob.sha256)
            except FarmError as error:
                if error.code == "host.disk-full":
                    raise
                continue
        there.append(blob.sha256)
    return tuple(there)


def kept_of(objects: Objects, result: Result) -> Kept:
    """What to measure again. Raises InfrastructureError ab.not-kept, and store.object-corrupt for a file that
    is not what it was."""
    spec = _spec_of(result)
    if result.status != "ok" or spec is None:
        raise _gone(result, "it was never measured" if result.status != "ok" else "its job is not described")
    parts = []
    for blob in _blobs(spec):
        if not objects.has(blob.sha256):
            raise _gone(result, f"its {blob.name} is not in the store")
        objects.open(blob.sha256).close()  # which verifies the content
        parts.append((blob, objects.path_of(blob.sha256)))
    artifact = result.document.get("artifact")
    return Kept(spec, tuple(parts), artifact if isinstance(artifact, Mapping) else {})


def _blobs(spec: JobSpec) -> list[Blob]:
    """Without the data set: accuracy is not measured again."""
    dataset = spec.dataset.blob.sha256 if spec.dataset is not None else ""
    return [blob for blob in blobs_of(spec) if blob.sha256 != dataset]


def _spec_of(result: Result) -> JobSpec | None:
    found = result.document.get("spec")
    if not isinstance(found, Mapping):
        return None
    try:
        return codec.decode(JobSpec, dict(found))
    except codec.DecodeError as error:
        raise _gone(result, f"its job cannot be read: {error}") from error


def _gone(result: Result, why: str) -> InfrastructureError:
    return InfrastructureError(
        f"{result.job_id} cannot be measured again: {why}",
        code="ab.not-kept",
        fix="name the model file itself (farm bench NEW --ab OLD), or a newer result",
    )
