"""What an export is made of: the artifact, its golden samples, and what was measured with it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.config import Config
from farm.errors import JobError, UsageError
from farm.plan import Request
from farm.tune import best as bests
from farm_agent import codec
from farm_agent.wire import ArtifactSpec, Blob, Golden

if TYPE_CHECKING:
    from farm_results.model import Result

EXPORTED = ("onnxruntime", "openvino", "litert")


@dataclass(frozen=True)
class Bundle:
    """``paths``: the artifact's files in the order of ``spec.files``; ``values``: the measured numbers, units
    in their names; ``batch``: what the leading dimension was fixed to, where it was free."""

    name: str
    model_sha256: str
    spec: ArtifactSpec
    paths: tuple[Path, ...]
    golden: Golden
    golden_path: Path
    runtime: str
    runtime_version: str
    threads: int
    options: Mapping[str, str]
    device: str
    profile: str
    verdict: str
    run_id: str
    job_id: str
    values: Mapping[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def from_best(path: Path, config: Config, say: Callable[[str], None]) -> tuple[Bundle, bests.Best]:
    """What a best.toml describes; the artifact comes from the cache or is made again.

    Raises UsageError plan.*, export.runtime, and what the conversion raises.
    """
    from farm import benchmark
    from farm.plan import make_plan

    found = bests.read(path)
    _refuse(found.target.runtime)
    request = found.request(Request(models=(), devices=(found.device.name,)))
    device, profile = _somewhere(found)
    plan = make_plan(
        request,
        run_id="export",
        devices=(device,),
        matched=(),
        profile_of=lambda _name: profile,
        inspect=benchmark.inspect_in(config),
        calibrated=benchmark.calibrated_in(config, request),
    )
    (cell,) = plan.cells
    if cell.error is not None:
        raise cell.error
    if cell.model is None or cell.recipe is None:
        raise UsageError(cell.skip, code="plan.schema", fix=f"have farm tune write {path} anew")
    found.check(cell.model)
    from farm_converters.convert import convert

    artifact = convert(cell.model, cell.recipe, config.cache_dir, report=say)
    if artifact.golden is None or artifact.golden_path is None:
        raise _gone(cell.model.name)
    measured = found.measured
    bundle = Bundle(
        name=cell.model.name,
        model_sha256=cell.model.sha256,
        spec=artifact.spec,
        paths=artifact.paths,
        golden=artifact.golden,
        golden_path=artifact.golden_path,
        runtime=found.target.runtime,
        runtime_version=measured.runtime_version,
        threads=found.target.threads,
        options=dict(found.target.options),
        device=found.device.name,
        profile=found.device.profile,
        verdict=measured.verdict,
        run_id=measured.run_id,
        job_id=measured.job_id,
        values=measured.values,
        notes=_notes(found),
    )
    return bundle, found


def from_job(job: str, config: Config) -> Bundle:
    """What a stored result was measured with; its files must still lie in the cache.

    Raises UsageError results.unknown-job, export.not-measured, export.runtime; JobError export.artifact-gone.
    """
    from farm_results.store import open_store

    store = open_store(config.store)
    try:
        result = store.result(job)
    finally:
        store.close()
    if result.status != "ok":
        raise UsageError(
            f"{result.job_id} was not measured: {result.error_message}",
            code="export.not-measured",
            fix="name a job that is ok; farm results list shows them",
        )
    _refuse(result.runtime)
    spec = codec.decode(ArtifactSpec, result.document["spec"]["artifact"])
    golden = result.document["spec"].get("golden")
    if golden is None:
        raise _gone(result.model)
    golden = codec.decode(Golden, golden)
    entry = config.cache_dir / "artifacts" / str(result.document["artifact"].get("key", ""))
    paths = tuple(_held(entry / blob.name, blob, result.model) for blob in spec.files)
    options = {name: text for name, text in result.options.items() if name != "batch"}
    return Bundle(
        name=result.model,
        model_sha256=result.model_sha256,
        spec=spec,
        paths=paths,
        golden=golden,
        golden_path=_golden(config.cache_dir / "sources", golden.blob, result.model),
        runtime=result.runtime,
        runtime_version=result.runtime_version,
        threads=result.threads,
        options=options,
        device=result.device,
        profile=result.profile,
        verdict=result.verdict.word,
        run_id=result.run_id,
        job_id=result.job_id,
        values=_values(result),
        notes=tuple(c.evidence for c in result.verdict.caveats if c.severity != "note"),
    )


def _values(result: Result) -> dict[str, float]:
    from farm.tune.files import numbers
    from farm.tune.score import values_of

    batch = result.options.get("batch", "")
    return numbers(values_of(result, int(batch) if batch.isdigit() else None))


def _notes(found: bests.Best) -> tuple[str, ...]:
    notes = [f"met: {words}" for words in found.measured.constraints]
    if found.inputs.preprocess:
        notes.append(f"samples went through the preprocessing {found.inputs.preprocess!r}: do the same")
    if found.inputs.calib_random:
        notes.append("calibrated with random samples: the outputs mean nothing")
    return tuple(notes)


def _somewhere(found: bests.Best) -> tuple[Any, Any]:
    """A device of that profile: an export needs none, a plan wants one."""
    from farm.devices.device import Device
    from farm_profiles.load import load_profile

    profile = load_profile(found.device.profile)
    return Device(found.device.name, profile.name, "local"), replace(profile, targets=(found.target,))


def _refuse(runtime: str) -> None:
    if runtime not in EXPORTED:
        raise UsageError(
            f"{runtime} cannot be exported: its file is built on the device and tied to it",
            code="export.runtime",
            fix=f"export one of {', '.join(EXPORTED)}, or deploy the ONNX file and build there",
        )


def _held(path: Path, blob: Blob, model: str) -> Path:
    from farm_converters.cache import blob_of

    try:
        if blob_of(path).sha256 == blob.sha256:
            return path
    except OSError:
        pass
    raise _gone(model)


def _golden(sources: Path, blob: Blob, model: str) -> Path:
    from farm_converters.cache import blob_of

    for path in sorted(sources.glob("*/golden.npz")):
        if path.stat().st_size == blob.size_bytes and blob_of(path).sha256 == blob.sha256:
            return path
    raise _gone(model)


def _gone(model: str) -> JobError:
    return JobError(
        f"the files that {model} was measured with are no longer in the cache",
        code="export.artifact-gone",
        fix="measure it again with farm bench, or export a best.toml, which names all that is needed",
    )
