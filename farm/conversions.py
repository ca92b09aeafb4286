"""What ``farm convert`` does, as a library: one model to several formats, each failing alone."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from farm import calibrations
from farm.config import Config
from farm.errors import FarmError, InfrastructureError
from farm.hashing import inputs_sha256
from farm.shapes import ShapeWish, refuse_unused, shapes_for
from farm_agent import precisions
from farm_converters.calibration import RANDOM, Calibration
from farm_converters.model import Model
from farm_converters.recipe import Artifact, Recipe

COLUMNS = (
    "format", "precision", "state", "bytes", "max error", "max value", "cosine", "proof", "calibration",
    "seconds", "where", "path",
)  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """What was asked for. ``options``: of the converters; ``out``: where copies of the artifacts go, if
    anywhere."""

    model: Path
    formats: tuple[str, ...]
    precisions: tuple[str, ...]
    shapes: tuple[ShapeWish, ...] = ()
    batch: int | None = None
    inputs: Path | None = None
    calib: Path | None = None
    calib_random: int = 0
    preprocess: str = ""
    exclude: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)
    seed: int = 0
    out: Path | None = None
    timeout_s: float = 300.0


@dataclass(frozen=True)
class Conversion:
    """One format at one precision: an artifact with the paths of its files, or the reason why not."""

    format: str
    precision: str
    artifact: Artifact | None
    paths: tuple[Path, ...] = ()
    error: FarmError | None = None
    calibration: Calibration | None = None
    exclude: tuple[str, ...] = ()

    @property
    def state(self) -> str:
        """``failed``, ``cached``, ``converted``, ``prepared`` when the device does the rest, or ``built`` for
        another kind of machine and never run."""
        if self.artifact is None:
            return "failed"
        if self.artifact.where == "device":
            return "prepared"
        if self.artifact.check is None:
            return "built"
        return "cached" if self.artifact.cached else "converted"

    @property
    def proof_share(self) -> float | None:
        """Share of what the precision promises that the runtime really does so, 0..1; None: it does not
        tell."""
        check = self.artifact.check if self.artifact else None
        if check is None or check.proof is None:
            return None
        return precisions.share(self.precision, check.proof)

    @property
    def row(self) -> tuple[str, ...]:
        """One text per entry of COLUMNS."""
        if self.artifact is None:
            code = self.error.code if self.error else ""
            return (self.format, self.precision, self.state, *["-"] * (len(COLUMNS) - 4), code)
        check = self.artifact.check
        return (
            self.format,
            self.precision,
            self.state,
            str(self.artifact.size_bytes),
            f"{check.max_abs_error:.3g}" if check else "-",
            f"{check.max_reference:.3g}" if check else "-",
            f"{check.cosine:.5f}" if check else "-",
            "-" if self.proof_share is None else f"{self.proof_share:.0%}",
            _calibration_text(self.calibration),
            f"{self.artifact.seconds:.1f}",
            self.artifact.where,
            str(self.paths[0]),
        )

    @property
    def document(self) -> dict[str, Any]:
        """The conversion as JSON values."""
        from farm_agent import codec

        document: dict[str, Any] = {"format": self.format, "precision": self.precision, "state": self.state}
        document["exclude"] = list(self.exclude)
        if self.calibration is not None:
            used = self.calibration
            document["calibration"] = {
                "kind": used.kind,
                "count": used.count,
                "name": used.name,
                "sha256": used.sha256,
            }
        if self.error is not None:
            error = self.error
            document["error"] = {
                "blame": error.blame,
                "code": error.code,
                "message": error.message,
                "fix": error.fix,
            }
        if self.artifact is not None:
            artifact = self.artifact
            document |= {
                "key": artifact.key,
                "paths": [str(path) for path in self.paths],
                "size_bytes": artifact.size_bytes,
                "seconds": artifact.seconds,
                "where": artifact.where,
                "artifact": codec.encode(artifact.spec),
                "check": codec.encode(artifact.check),
                "precision_share": self.proof_share,
                "toolchain": dict(artifact.toolchain),
                "caveats": list(artifact.caveats),
            }
        return document


def convert_all(wish: Wish, config: Config, say: Callable[[str], None]) -> list[Conversion]:
    """Convert to every format at every precision; a failure stays with its own conversion.

    Raises the FarmError of the model, its shapes or the inputs file, which concern all of them.
    """
    from farm_converters.shapes import resolve_shapes
    from farm_converters.sources import open_model

    model = open_model(wish.model, config.cache_dir, say)
    names = [spec.name for spec in model.inputs]
    refuse_unused(wish.shapes, {model.name: names})
    shapes = resolve_shapes(model, shapes_for(wish.shapes, model.name, names), wish.batch)
    sha256 = inputs_sha256(wish.inputs)
    samples = calibrations.of_wishes(
        wish.calib, wish.calib_random, wish.preprocess, seed=wish.seed, cache_dir=config.cache_dir
    )
    done: list[Conversion] = []
    for precision in wish.precisions:
        for name in wish.formats:
            recipe = Recipe(name, precision, shapes, wish.seed, wish.inputs, sha256, exclude=wish.exclude)
            recipe = replace(recipe, options=dict(wish.options))
            done.append(_convert(model, recipe, wish, samples, config, say))
    return done


def _convert(
    model: Model,
    recipe: Recipe,
    wish: Wish,
    samples: calibrations.Calibrations,
    config: Config,
    say: Callable[[str], None],
) -> Conversion:
    from farm_converters.convert import convert

    def report(text: str) -> None:
        say(f"{recipe.format} {recipe.precision}: {text}")

    try:
        recipe = samples.applied(recipe, model)
        artifact = convert(model, recipe, config.cache_dir, report=report, timeout_s=wish.timeout_s)
        paths = artifact.paths
        if wish.out is not None:
            paths = _copy(artifact, wish.out / f"{model.name}-{recipe.format}-{recipe.precision}")
    except FarmError as error:
        return Conversion(recipe.format, recipe.precision, None, error=error)
    return Conversion(
        recipe.format, recipe.precision, artifact, paths, None, recipe.calibration, recipe.exclude
    )


def _calibration_text(calibration: Calibration | None) -> str:
    if calibration is None:
        return "-"
    return f"{calibration.count} {'RANDOM' if calibration.kind == RANDOM else 'samples'}"


def _copy(artifact: Artifact, folder: Path) -> tuple[Path, ...]:
    """Copies of the artifact's files under the names that runtimes expect; each appears whole or not."""
    copies = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, blob in zip(artifact.paths, artifact.spec.files, strict=True):
            handle, name = tempfile.mkstemp(dir=folder)
            os.close(handle)
            temporary = Path(name)
            try:
                shutil.copyfile(path, temporary)
                temporary.chmod(0o644)
                copies.append(temporary.replace(folder / blob.name))
            finally:
                temporary.unlink(missing_ok=True)
    except OSError as error:
        raise InfrastructureError(
            f"cannot write to {folder}: {error.strerror}",
            code="host.not-writable",
            fix="choose another --out",
        ) from error
    return tuple(copies)
