"""The reference of every check: fixed inputs and the source model's own outputs, made once and shared."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from farm_agent import codec
from farm_agent.errors import UsageError
from farm_agent.wire import Blob, Golden, TensorSpec, Tolerance
from farm_converters import cache, environment, sandbox
from farm_converters.lock import held
from farm_converters.model import Model
from farm_converters.recipe import Recipe

T = TypeVar("T")
CALIBRATION_SAMPLES = 8  # of a calibration set, that the check runs on
CODE = {
    "onnx": ("exclude.py", "graph.py", "golden_onnx.py", "golden.py", "samples.py"),
    "tflite": ("golden_tflite.py", "golden.py", "samples.py"),
}
# What runs a source model of a format, and in which environment; golden_FORMAT.py makes source.FORMAT.
REFERENCES = {
    "onnx": ("ONNX Runtime", "onnx"),
    "tflite": ("LiteRT with its reference kernels", "litert"),
}
# Reordered float32 sums of a deep network stay within 1e-4 of its largest output; half precision keeps
# 11 bits per operation; a model that rounds to 8 bits itself may land one step aside.
TOLERANCES = {
    "fp32": Tolerance(1e-4, 1e-3),
    "fp16": Tolerance(2e-3, 2e-2),
    "quantised": Tolerance(2e-3, 5e-2),
}
# Rounding to 8 or 4 bits moves single values far; the direction of an output must stay. What verification
# must catch has a cosine of 0.9 and less, sound quantisation of trained networks 0.98 and more.
COSINES = {"int8": 0.95, "int8-dynamic": 0.95, "int8-weights": 0.99, "int4-weights": 0.95}


@dataclass(frozen=True)
class Source:
    """The source model with its shapes fixed, in one file, and what it answered."""

    model_path: Path
    golden_path: Path
    golden_blob: Blob
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    samples: int
    float16: bool
    quantised: bool

    def golden(self, precision: str) -> Golden:
        """With the tolerance that fits the precision asked for and the source's own."""
        kind = "quantised" if self.quantised else "fp16" if self.float16 else precision
        tolerance = TOLERANCES.get(kind, TOLERANCES["quantised"])
        if self.quantised and self.model_path.suffix == ".tflite":
            # optimised kernels round otherwise than the reference ones, layer after layer
            tolerance = replace(tolerance, cosine=COSINES["int8"])
        if precision in COSINES:
            tolerance = replace(tolerance, cosine=COSINES[precision])
        return Golden(self.golden_blob, self.samples, tolerance)


def key_of(model: Model, recipe: Recipe) -> str:
    """Identity of the reference: model, shapes, inputs, the reference runtime and our code."""
    names = CODE[model.format]
    code = [hashlib.sha256(Path(__file__).with_name(name).read_bytes()).hexdigest() for name in names]
    shapes = sorted((name, list(shape)) for name, shape in recipe.shapes.items())
    path, sha256 = recipe.sample_inputs
    inputs = sha256 or _sha256(path)
    parts = (
        model.sha256,
        shapes,
        recipe.seed,
        inputs,
        environment.fingerprint(REFERENCES[model.format][1]),
        code,
    )
    return hashlib.sha256(codec.dumps(list(parts)).encode()).hexdigest()


def _sha256(path: Path | None) -> str:
    if path is None:
        return ""
    try:
        return cache.blob_of(path).sha256
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", code="inputs.missing", fix="check the path given to --inputs"
        ) from error


def prepare(
    model: Model, recipe: Recipe, cache_dir: Path, report: Callable[[str], None], limits: sandbox.Limits
) -> Source:
    """The reference, from the cache or made now. Raises what ``golden_FORMAT.make`` and the sandbox raise."""
    entry = cache_dir / "sources" / key_of(model, recipe)
    return once(
        entry,
        read=_read,
        make=lambda: _make(model, recipe, cache_dir, entry, report, limits),
        report=report,
        what=f"running {model.name} as the reference",
    )


def once(
    entry: Path,
    *,
    read: Callable[[Path], T | None],
    make: Callable[[], None],
    report: Callable[[str], None],
    what: str,
) -> T:
    """What ``read(entry)`` gives, after ``make()`` where it gives None: one process makes, the others wait.

    Raises what ``make`` raises; InfrastructureError host.cache-unwritable when it cannot be read back.
    """
    found = read(entry)
    if found is not None:
        return found
    with held(entry.with_suffix(".lock"), report=report, what=what):
        found = read(entry)
        if found is None:
            make()
            found = read(entry)
    if found is None:
        raise cache.disk_error(OSError(0, "what was written cannot be read back"), entry)
    return found


def _make(
    model: Model,
    recipe: Recipe,
    cache_dir: Path,
    entry: Path,
    report: Callable[[str], None],
    limits: sandbox.Limits,
) -> None:
    inputs, _ = recipe.sample_inputs
    runner, name = REFERENCES[model.format]
    python = environment.prepare(name, cache_dir, report).python
    report(f"running {model.name} in {runner} as the reference")
    request = {
        "path": os.path.abspath(model.path),  # noqa: PTH100 - a link's data lie beside the link
        "sha256": model.sha256,
        "shapes": {name: list(shape) for name, shape in recipe.shapes.items()},
        "seed": recipe.seed,
        "inputs_path": str(inputs.absolute()) if inputs else "",
        "max_samples": None if recipe.inputs_path else CALIBRATION_SAMPLES,
    }
    with cache.writable(cache_dir), sandbox.private_directory(cache_dir / "work") as workdir:
        answer = sandbox.call(
            f"farm_converters.golden_{model.format}:make",
            request,
            workdir=workdir,
            what=f"run {model.path.name} as the reference",
            limits=limits,
            python=python,
        )
        kept = {key: answer[key] for key in ("inputs", "outputs", "samples", "float16", "quantised")}
        cache.publish(
            entry, {name: workdir / name for name in (f"source.{model.format}", "golden.npz")}, kept
        )


def _read(entry: Path) -> Source | None:
    index = cache.read(entry)
    if index is None:
        return None
    blobs = {item["name"]: Blob(item["sha256"], item["size_bytes"], item["name"]) for item in index["files"]}
    source = next(name for name in blobs if name.startswith("source."))
    return Source(
        model_path=entry / source,
        golden_path=entry / "golden.npz",
        golden_blob=blobs["golden.npz"],
        inputs=specs(index["inputs"]),
        outputs=specs(index["outputs"]),
        samples=int(index["samples"]),
        float16=bool(index["float16"]),
        quantised=bool(index["quantised"]),
    )


def specs(items: list[Mapping[str, Any]]) -> tuple[TensorSpec, ...]:
    """TensorSpecs of JSON."""
    return tuple(codec.decode(TensorSpec, item) for item in items)
