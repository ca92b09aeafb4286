"""Everything that judging a job's result needs, so that any driver can do it: plain data, kept as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.wire import Blob, Facts, JobSpec
from farm_profiles import Target

if TYPE_CHECKING:
    from farm.datasets import Ready
    from farm_results.build import Identity


@dataclass(frozen=True)
class Part:
    """A file that the device must have before the job starts, and where it lies on ``JobContext.host``."""

    blob: Blob
    path: str


@dataclass(frozen=True)
class DataNote:
    """The run's data set, as the judgement of the device's outputs needs it (see ``farm.datasets.Ready``)."""

    name: str
    sha256: str
    path: str
    count: int
    labels: str
    metric: str
    reference_path: str
    reference_runtime: str


@dataclass(frozen=True)
class MeterNote:
    """An external meter that the job's first driver polls; what it read dies with that driver."""

    name: str
    kind: str


@dataclass(frozen=True)
class JobContext:
    """One job. ``artifact``: how it came to be (``farm.provenance.about``); ``native``: the source model's
    own precision; ``host``: the machine on which the paths mean something; ``owner``: who asked, as
    ``farm.audit.person`` says; ``sent_bytes``, ``sent_files``: what the shipment moved, once it has;
    ``drift``: what changed of the device since it was accepted; ``conditions``: what the scenario was asked
    for (``farm.measure.conditions``)."""

    run_id: str
    job_id: str
    model: str
    model_sha256: str
    device: str
    profile: str
    target: Target
    spec: JobSpec
    facts: Facts
    artifact: Mapping[str, Any]
    parts: tuple[Part, ...] = ()
    native: str = ""
    batch: int | None = None
    data: DataNote | None = None
    meters: tuple[MeterNote, ...] = ()
    host: str = ""
    owner: str = ""
    sent_bytes: int = 0
    sent_files: int = 0
    drift: tuple[str, ...] = ()
    conditions: Mapping[str, str] = field(default_factory=dict)
    extra: Mapping[str, str] = field(default_factory=dict)

    def identity(self, created_unix_s: float) -> Identity:
        """The fields of its result that are known before anything ran."""
        return {
            "run_id": self.run_id,
            "job_id": self.job_id,
            "created_unix_s": created_unix_s,
            "model": self.model,
            "model_sha256": self.model_sha256,
            "device": self.device,
            "profile": self.profile,
            "target": self.target,
            "scenario": self.spec.scenario,
            "batch": self.batch,
            "conditions": self.conditions,
        }

    def missing(self) -> tuple[str, ...]:
        """Files of the shipment that are not on this machine any more."""
        return tuple(part.path for part in self.parts if not Path(part.path).is_file())


def note_of(ready: Ready | None) -> DataNote | None:
    """What is kept of a data set."""
    if ready is None:
        return None
    return DataNote(
        ready.dataset.name,
        ready.dataset.blob.sha256,
        str(ready.path),
        ready.packed.count,
        ready.packed.labels,
        ready.metric,
        str(ready.reference.path),
        ready.reference.runtime,
    )
