"""What the source model itself answers on a data set: the reference of every accuracy."""

from __future__ import annotations

import hashlib
import importlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent import codec, collect
from farm_agent.errors import JobError
from farm_agent.wire import TensorSpec
from farm_converters import cache, environment, golden, sandbox
from farm_converters.dataset import Packed
from farm_converters.model import Model
from farm_converters.recipe import Recipe

OUTPUTS = "outputs.npz"
# A whole data set, unoptimised, may take long; it is run once and kept.
LIMITS = sandbox.Limits(timeout_s=3600.0)


@dataclass(frozen=True)
class Reference:
    """``path``: an .npz with out.J [count, ...], as ``messages.evaluation`` describes them; ``runtime``: what
    ran the source model."""

    path: Path
    count: int
    runtime: str
    seconds: float


def runner(source_format: str) -> Any:  # noqa: ANN401 - a module
    """The file evaluate_FORMAT.py: ENVIRONMENT, and ``run(request, workdir)``, called in the sandbox.

    Raises JobError data.no-reference where a source format has none.
    """
    name = f"evaluate_{source_format}"
    if not (Path(__file__).parent / f"{name}.py").is_file():
        raise JobError(
            f"nothing here runs a source model of the format {source_format} over a data set",
            code="data.no-reference",
            fix="leave --data out, or evaluate the model as ONNX",
        )
    return importlib.import_module(f"farm_converters.{name}")


def key_of(model: Model, recipe: Recipe, packed: Packed) -> str:
    """Identity: the source as ``golden`` prepares it, the samples, what runs it, and our code."""
    module = runner(model.format)
    own = [Path(__file__), Path(__file__).with_name(f"evaluate_{model.format}.py"), Path(collect.__file__)]
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in own]
    made_by = environment.fingerprint(module.ENVIRONMENT)
    source = golden.key_of(model, Recipe(recipe.format, shapes=recipe.shapes))
    parts = [source, packed.dataset.blob.sha256, made_by, code]
    return hashlib.sha256(codec.dumps(parts).encode()).hexdigest()


def reference(
    model: Model,
    recipe: Recipe,
    packed: Packed,
    cache_dir: Path,
    *,
    report: Callable[[str], None],
    limits: sandbox.Limits = LIMITS,
) -> Reference:
    """The source model's outputs over ``packed``, from the cache or made now in the sandbox.

    Raises JobError convert.source-fails, data.shape, data.too-large, data.no-reference and what the sandbox
    raises; InfrastructureError env.*, host.*.
    """
    cache_dir = cache_dir.absolute()
    entry = cache_dir / "references" / key_of(model, recipe, packed)
    return golden.once(
        entry,
        read=_read,
        make=lambda: _make(model, recipe, packed, cache_dir, entry, report, limits),
        report=report,
        what=f"running {model.name} over {packed.count} samples",
    )


def _make(
    model: Model,
    recipe: Recipe,
    packed: Packed,
    cache_dir: Path,
    entry: Path,
    report: Callable[[str], None],
    limits: sandbox.Limits,
) -> None:
    module = runner(model.format)
    source = golden.prepare(model, recipe, cache_dir, report, limits)
    env = environment.prepare(module.ENVIRONMENT, cache_dir, report)
    report(f"running {model.name} itself over {packed.count} samples")
    request = {
        "model": str(source.model_path.resolve()),
        "dataset": str(packed.path.resolve()),
        "inputs": [_plain(spec) for spec in source.inputs],
    }
    with cache.writable(cache_dir), sandbox.private_directory(cache_dir / "work") as workdir:
        answer = sandbox.call(
            f"{module.__name__}:run",
            request,
            workdir=workdir,
            what=f"run {model.path.name} over {packed.dataset.name}",
            limits=limits,
            python=env.python,
        )
        kept = {name: answer[name] for name in ("count", "runtime", "seconds")}
        cache.publish(entry, {OUTPUTS: workdir / OUTPUTS}, kept)


def _plain(spec: TensorSpec) -> dict[str, Any]:
    return {"name": spec.name, "dtype": spec.dtype, "shape": list(spec.shape)}


def _read(entry: Path) -> Reference | None:
    index = cache.read(entry)
    if index is None:
        return None
    return Reference(entry / OUTPUTS, int(index["count"]), str(index["runtime"]), float(index["seconds"]))


# ------------------------------------------------------------------ inside the sandbox


def over_samples(request: dict[str, Any], workdir: Path, infer: Callable[[list[Any]], list[Any]]) -> int:
    """Feed every sample of the data set, in batches of the model's own size, to ``infer`` (arrays in the
    inputs' order; outputs in the source's) and write outputs.npz; how many there were."""
    from farm_agent import feed
    from farm_converters.golden_onnx import save_npz

    data = feed.load_npz(request["dataset"])
    shapes = {item["name"]: tuple(item["shape"]) for item in request["inputs"]}
    arrays = [feed.read(data, f"in.{i}") for i in range(len(shapes))]
    count = collect.count_of(arrays, None)
    collector = collect.Collector(count)
    position = 0
    while position < count:
        fed, width = collect.batch(arrays, shapes, position)
        collector.add(collect.rows(infer(fed), width))
        position += width
    save_npz(workdir / OUTPUTS, {f"out.{number}": array for number, array in enumerate(collector.arrays)})
    return count
