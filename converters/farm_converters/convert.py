"""Convert a model: cached by content, checked against the source, safe to call from many processes."""

from __future__ import annotations

import hashlib
import os
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from farm_agent import codec, precisions
from farm_agent.errors import JobError, UsageError
from farm_agent.wire import ArtifactSpec
from farm_converters import cache, environment, failed, golden, ladder, sandbox
from farm_converters import edges as registry
from farm_converters.edges import edges
from farm_converters.lock import held
from farm_converters.model import Model
from farm_converters.recipe import Artifact, CheckReport, Recipe
from farm_converters.shapes import resolve_shapes

__all__ = ["cache_key", "convert", "edges", "is_cached", "where"]


def convert(
    model: Model,
    recipe: Recipe,
    cache_dir: Path,
    *,
    report: Callable[[str], None],
    timeout_s: float = 300.0,
    memory_limit_bytes: int = 8 * sandbox.GIB,
    edge: registry.Edge | None = None,
) -> Artifact:
    """The artifact for ``recipe``, from the cache or made, run and compared now. What failed for good is
    kept, too, and raised again (see ``failed``).

    Raises UsageError convert.no-edge, convert.option, model.changed, inputs.*; JobError convert.* (mismatch,
    timeout, out-of-memory, crashed, unsupported-op, ...) or runtime.*; InfrastructureError env.*, host.*.
    """
    cache_dir = Path(os.path.abspath(cache_dir))  # noqa: PTH100 - resolving would follow links
    edge = edge or registry.load(model.format, recipe.format)
    registry.rungs(edge, recipe.precision)
    registry.refuse_unknown_options(edge, recipe.options)
    _refuse_uncalibrated(model, recipe)
    recipe = replace(recipe, shapes=resolve_shapes(model, recipe.shapes, None))
    limits = sandbox.Limits(timeout_s=timeout_s, memory_bytes=memory_limit_bytes)
    key = cache_key(model, recipe, edge)
    entry = cache_dir / "artifacts" / key
    with cache.writable(cache_dir):
        source = golden.prepare(model, recipe, cache_dir, report, limits)
        found = _load(entry, key, edge, source, recipe)
        if found is not None:
            return found
        with held(entry.with_suffix(".lock"), report=report, what=f"converting {model.name}"):
            found = _load(entry, key, edge, source, recipe)
            if found is None:
                failed.raise_known(entry, report)
                try:
                    _make(edge, recipe, source, cache_dir, entry, limits, report)
                except failed.LastingError as error:
                    failed.keep(entry, error)
                    raise
                found = _load(entry, key, edge, source, recipe, fresh=True)
    if found is None:
        raise JobError("the artifact cannot be read back from the cache", code="convert.failed")
    return found


def cache_key(model: Model, recipe: Recipe, edge: registry.Edge | None = None) -> str:
    """Identity of a conversion: model, recipe, environment and code; 64 hex digits. Builds nothing."""
    recipe = replace(recipe, shapes=resolve_shapes(model, recipe.shapes, None))
    edge = edge or registry.load(model.format, recipe.format)
    how = (
        recipe.calibration.sha256 if recipe.calibration else "",
        list(recipe.exclude),
        dict(recipe.options),
    )
    asked = (recipe.format, recipe.precision, golden.key_of(model, recipe), *how)
    name = registry.environment_of(edge, recipe.precision)
    made_by = (registry.short_name(edge), environment.fingerprint(name), registry.code_hash(edge))
    return hashlib.sha256(codec.dumps([*asked, *made_by]).encode()).hexdigest()


def is_cached(model: Model, recipe: Recipe, cache_dir: Path) -> bool:
    """Whether ``convert`` would do no work (sizes are compared, hashes are not). For a dry run."""
    entry = cache_dir / "artifacts" / cache_key(model, recipe)
    recipe = replace(recipe, shapes=resolve_shapes(model, recipe.shapes, None))
    reference = cache_dir / "sources" / golden.key_of(model, recipe)
    return all(cache.read(folder, verify=False) is not None for folder in (entry, reference))


def where(source: str, target: str) -> str:
    """Where a conversion happens: "host", or "device" when only the target can do it."""
    return registry.load(source, target).WHERE


def _refuse_uncalibrated(model: Model, recipe: Recipe) -> None:
    if (
        not precisions.of(recipe.precision).calibrated
        or recipe.calibration
        or model.native_precision == "int8"
    ):
        return
    raise UsageError(
        f"{recipe.precision} needs samples of real inputs to learn the ranges of activations from",
        code="calib.missing",
        fix="give --calib FOLDER|FILE.npz; --calib-random N for a trial whose outputs mean nothing",
    )


def _make(
    edge: registry.Edge,
    recipe: Recipe,
    source: golden.Source,
    cache_dir: Path,
    entry: Path,
    limits: sandbox.Limits,
    report: Callable[[str], None],
) -> None:
    env = environment.prepare(registry.environment_of(edge, recipe.precision), cache_dir, report)
    started = time.monotonic()
    with sandbox.private_directory(cache_dir / "work") as workdir:
        built = ladder.climb(edge, recipe, source, env, workdir=workdir, limits=limits, report=report)
        index = {
            "spec": codec.encode(built.spec),
            "check": codec.encode(built.check),
            "toolchain": _toolchain(edge, env, built.rung),
            "seconds": time.monotonic() - started,
            "caveats": list(built.caveats),
        }
        names = [blob.name for blob in built.spec.files]
        cache.publish(entry, {name: built.directory / name for name in names}, index)


def _toolchain(edge: registry.Edge, env: environment.Environment, rung: str) -> dict[str, str]:
    return {
        "edge": f"{registry.short_name(edge)} ({rung})",
        "environment": f"{env.name}-{environment.fingerprint(env.name)}",
        "python": ".".join(str(part) for part in sys.version_info[:2]),
        **dict(env.versions),
    }


def _load(
    entry: Path, key: str, edge: registry.Edge, source: golden.Source, recipe: Recipe, *, fresh: bool = False
) -> Artifact | None:
    index: Mapping[str, Any] | None = cache.read(entry)
    if index is None:
        return None
    try:
        spec = codec.decode(ArtifactSpec, index["spec"])
        check = None if index["check"] is None else codec.decode(CheckReport, index["check"])
    except (codec.DecodeError, KeyError):
        return None
    on_host = edge.WHERE == "host"
    return Artifact(
        key=key,
        spec=spec,
        paths=tuple(entry / blob.name for blob in spec.files),
        golden=source.golden(recipe.precision),
        golden_path=source.golden_path,
        check=check if on_host else None,
        toolchain=index["toolchain"],
        seconds=float(index["seconds"]),
        cached=not fresh,
        where=edge.WHERE,
        caveats=tuple(index["caveats"]),
        calibration=recipe.calibration.text if recipe.calibration else "",
    )
