"""Try an edge's ways in order until one gives an artifact that ran and matched the source."""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_agent.wire import ArtifactSpec, TensorMap, TensorSpec
from farm_converters import cache, sandbox
from farm_converters import check as checks
from farm_converters import edges as registry
from farm_converters.environment import Environment
from farm_converters.failed import lasting
from farm_converters.golden import Source
from farm_converters.recipe import CheckReport, Recipe

# no other way can do better after these
FINAL = (
    "convert.timeout",
    "convert.unsupported-precision",
    "convert.too-large",
    "convert.exclude-unknown",
    "convert.option",
    "convert.nothing-to-quantise",
)


class SettledError(JobError):
    """What no other way can mend: the float network agreed, so it is the rounding itself."""


@dataclass(frozen=True)
class Built:
    """What one way gave: files in ``directory``, the description, the check; None where nothing here can run
    it."""

    rung: str
    directory: Path
    spec: ArtifactSpec
    check: CheckReport | None
    caveats: tuple[str, ...]


def climb(
    edge: registry.Edge,
    recipe: Recipe,
    source: Source,
    env: Environment,
    *,
    workdir: Path,
    limits: sandbox.Limits,
    report: Callable[[str], None],
) -> Built:
    """The first way that works. Raises the JobError of the way that came furthest.

    ``limits.timeout_s`` is for all ways together; a way that used it up ends the climb.
    """
    deadline = time.monotonic() + limits.timeout_s
    failures: list[JobError] = []
    for rung in registry.distinct(edge, recipe.precision, [spec.shape for spec in source.outputs]):
        left = deadline - time.monotonic()
        if failures and left <= 1.0:
            raise worst(failures)
        report(f"converting to {recipe.format} {recipe.precision} ({rung})")
        folder = workdir / rung
        try:
            return _try(edge, rung, recipe, source, env, folder, replace(limits, timeout_s=left))
        except JobError as error:
            failures.append(error)
            shutil.rmtree(folder, ignore_errors=True)
            if error.code in FINAL or isinstance(error, SettledError):
                break
    raise lasting(failures, worst(failures))


def worst(failures: list[JobError]) -> JobError:
    """The failure that tells most: the latest step came furthest, then a named operator, then the first."""
    for code in (
        *FINAL,
        "convert.precision",
        "convert.mismatch",
        "convert.unsupported-op",
        "runtime.",
        "check.",
    ):
        for failure in failures:
            if failure.code.startswith(code):
                return failure
    return failures[0]


def _try(
    edge: registry.Edge,
    rung: str,
    recipe: Recipe,
    source: Source,
    env: Environment,
    workdir: Path,
    limits: sandbox.Limits,
) -> Built:
    started = time.monotonic()
    first = registry.first(edge)
    if first is not None:
        return _compile(edge, first, rung, recipe, source, env, workdir, limits)
    request = _request(rung, recipe, source)
    if rung in getattr(edge, "SIMPLIFIED", ()):
        request |= _simplified(request, workdir / "simplified", limits)
    answer = sandbox.call(
        f"{edge.__name__}:convert",
        request,
        workdir=workdir,
        what=f"convert to {recipe.format}",
        limits=limits,
        python=env.python,
        packages=registry.packages(edge),
    )
    directory = workdir / "out"
    spec = describe(answer, recipe, source, directory)
    golden = source.golden(recipe.precision)
    left = max(1.0, limits.timeout_s - (time.monotonic() - started))
    try:
        checked = checks.check(
            spec,
            directory,
            golden,
            source.golden_path,
            runtime=edge.RUNTIME,
            python=env.python,
            workdir=workdir / "check",
            limits=replace(limits, timeout_s=left),
        )
    except JobError as error:
        if error.code in ("convert.mismatch", "convert.precision") and answer.get("settled"):
            raise SettledError(error.message, code=error.code, fix=error.fix) from error
        raise
    if edge.WHERE == "host":  # elsewhere the device builds what runs, and proves it
        checks.refuse(recipe.precision, checked.report.proof, edge.RUNTIME)
    spec = replace(spec, outputs=_with_real(spec.outputs, checked.outputs))
    return Built(rung, directory, spec, checked.report, tuple(answer["caveats"]))


def _compile(
    edge: registry.Edge,
    first: registry.Edge,
    rung: str,
    recipe: Recipe,
    source: Source,
    env: Environment,
    workdir: Path,
    limits: sandbox.Limits,
) -> Built:
    """Prepare by the edge ``first``, whose result is run and compared; compile that, for machines of another
    kind: what comes out cannot be run here."""
    started = time.monotonic()
    here = Environment(first.ENVIRONMENT, sys.executable, {})
    prepared = _try(first, rung, recipe, source, here, workdir / "prepared", limits)
    request = _request(rung, recipe, source)
    request["model"] = str((prepared.directory / prepared.spec.files[0].name).resolve())
    left = max(1.0, limits.timeout_s - (time.monotonic() - started))
    answer = sandbox.call(
        f"{edge.__name__}:convert",
        request,
        workdir=workdir,
        what=f"convert to {recipe.format}",
        limits=replace(limits, timeout_s=left),
        python=env.python,
        packages=registry.packages(edge),
    )
    spec = describe(answer, recipe, source, workdir / "out")
    spec = replace(spec, inputs=prepared.spec.inputs, outputs=prepared.spec.outputs)
    return Built(rung, workdir / "out", spec, None, (*prepared.caveats, *answer["caveats"]))


def _simplified(request: Mapping[str, Any], workdir: Path, limits: sandbox.Limits) -> dict[str, Any]:
    """Simplify in this interpreter's environment, which has ONNX, for an edge whose own has not."""
    function = "farm_converters.simplify:simplify"
    answer = sandbox.call(
        function, request, workdir=workdir, what="simplify the model", limits=limits, python=sys.executable
    )
    return {"model": answer["model"]}


def _request(rung: str, recipe: Recipe, source: Source) -> dict[str, Any]:
    return {
        "rung": rung,
        "precision": recipe.precision,
        "model": str(source.model_path.resolve()),
        "source": str(source.model_path.resolve()),  # stays, where ``model`` becomes a simplified one
        "golden": str(source.golden_path.resolve()),
        "samples": source.samples,
        "calibration": str(recipe.calibration.path.resolve()) if recipe.calibration else "",
        "exclude": list(recipe.exclude),
        "options": dict(recipe.options),
        "inputs": [_plain(spec) for spec in source.inputs],
        "outputs": [_plain(spec) for spec in source.outputs],
    }


def _plain(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def describe(answer: Mapping[str, Any], recipe: Recipe, source: Source, directory: Path) -> ArtifactSpec:
    """The artifact's description from an edge's answer; real output shapes come from the check."""
    try:
        inputs = tuple(
            _map(spec, TensorSpec(item["name"], item["dtype"], tuple(item["shape"])), item)
            for spec, item in zip(source.inputs, answer["inputs"], strict=True)
        )
        outputs = tuple(
            _map(spec, TensorSpec(item["name"], spec.dtype, spec.shape), item)
            for spec, item in zip(source.outputs, answer["outputs"], strict=True)
        )
        files = tuple(cache.blob_of(directory / name) for name in answer["files"])
    except (KeyError, TypeError, ValueError, OSError) as error:
        raise JobError(
            f"the converter's answer does not describe its files: {error!r}", code="convert.failed"
        ) from error
    return ArtifactSpec(recipe.format, recipe.precision, files, inputs, outputs)


def _map(source: TensorSpec, artifact: TensorSpec, item: Mapping[str, Any]) -> TensorMap:
    """``scale`` and ``zero_point`` stand in the answer where the artifact's tensor is quantised."""
    scale = item.get("scale")
    return TensorMap(
        source,
        artifact,
        _axes(item),
        None if scale is None else float(scale),
        int(item.get("zero_point", 0)),
    )


def _axes(item: Mapping[str, Any]) -> tuple[int, ...] | None:
    permutation = item["permutation"]
    return None if permutation is None else tuple(int(axis) for axis in permutation)


def _with_real(maps: tuple[TensorMap, ...], real: tuple[TensorSpec, ...]) -> tuple[TensorMap, ...]:
    known = {spec.name: spec for spec in real}
    return tuple(replace(entry, artifact=known.get(entry.artifact.name, entry.artifact)) for entry in maps)
