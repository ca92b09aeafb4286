"""One of the two artifacts that are measured in turns, with everything a device needs for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from farm_agent.messages.arm import Arm
from farm_results.storage.kept import Part

if TYPE_CHECKING:
    from farm.plan import Cell
    from farm_agent.wire import JobSpec
    from farm_converters.recipe import Artifact
    from farm_results.model import Result
    from farm_results.store import Store


@dataclass(frozen=True)
class Contender:
    """``spec``: the job that would measure it alone. ``about``: how its artifact came to be
    (``farm.provenance.about``); ``job_id``: of the stored result that it stands for, and ``before``: the
    version of the runtime which measured that, "" for neither."""

    label: str
    model: str
    model_sha256: str
    spec: JobSpec
    parts: tuple[Part, ...]
    about: Mapping[str, Any] = field(default_factory=dict)
    native: str = ""
    job_id: str = ""
    before: str = ""

    @property
    def arm(self) -> Arm:
        """As the job tells of the reference."""
        spec = self.spec
        return Arm(spec.artifact, spec.runtime, spec.threads, dict(spec.options), spec.golden, spec.build)

    def like(self, other: Contender) -> bool:
        """Whether both are the same artifact, run the same way."""
        files = [[blob.sha256 for blob in one.spec.artifact.files] for one in (self, other)]
        mine, its = self.spec, other.spec
        run = [(one.runtime, one.threads, dict(one.options)) for one in (mine, its)]
        return files[0] == files[1] and run[0] == run[1]


def of_result(store: Store, result: Result, label: str = "") -> Contender:
    """A stored result, to be measured again. Raises InfrastructureError ab.not-kept."""
    from farm_results.storage.kept import kept_of

    kept = kept_of(store.objects, result)
    spec = kept.spec
    if streams := result.metrics.get("throughput_best_streams_count"):  # what its series follows
        spec = replace(spec, scenario_options={**spec.scenario_options, "streams": f"{streams:.0f}"})
    return Contender(
        label=label or result.job_id,
        model=result.model,
        model_sha256=result.model_sha256,
        spec=spec,
        parts=kept.parts,
        about=kept.artifact,
        job_id=result.job_id,
        before=result.runtime_version,
    )


def of_cell(cell: Cell, artifact: Artifact, spec: JobSpec, parts: tuple[Part, ...], label: str) -> Contender:
    """A model file, as it was just converted."""
    from farm import provenance

    return Contender(
        label=label,
        model=cell.model_name,
        model_sha256=cell.model.sha256 if cell.model else "",
        spec=spec,
        parts=parts,
        about=provenance.about(artifact, artifact.calibration),
        native=cell.model.native_precision if cell.model else "",
    )
