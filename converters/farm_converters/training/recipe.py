"""A training recipe: what ``farm optimize`` reads. Strict: every mistake names the file and the key."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

from farm_agent import codec, precisions
from farm_agent.errors import UsageError
from farm_converters.training.steps import TECHNIQUES, Qat, Step, Train

SCHEMA = 1
MAX_BYTES = 1 << 20
FRAMEWORKS: Mapping[str, tuple[str, ...]] = {
    "torch": ("finetune", "prune", "qat", "distil"),
    "keras": ("finetune", "prune", "cluster", "qat", "distil"),
}
EXPORTS: Mapping[str, tuple[str, ...]] = {"torch": ("onnx", "pt2"), "keras": ("onnx", "tflite", "keras")}
METRICS = ("top-1", "top-5", "mae")
_PIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9,._-]+\])?==[A-Za-z0-9.!+_-]+")
_ENTRY = re.compile(r"[^:\s][^:]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class EnvironmentWish:
    """Where training runs: the framework's managed environment with ``packages`` (``name==version``) beside
    it, or a ``python`` of the user's own. ``memory_gib``: bound of one training process's address space; 0:
    none (CUDA needs that)."""

    python: str = ""
    packages: tuple[str, ...] = ()
    memory_gib: float = 16.0


@dataclass(frozen=True)
class Export:
    """``formats``: what each step's network is written as; ``opset`` of ONNX files."""

    formats: tuple[str, ...] = ("onnx",)
    opset: int = 17


@dataclass(frozen=True)
class BenchWish:
    """Where and how every step's artifact is measured; empty: what the device's profile prefers.

    ``seeds``: "first" or "all" of the recipe's seeds. Quantised steps are measured as int8, whatever
    ``precisions`` says.
    """

    devices: tuple[str, ...] = ("local",)
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    seeds: str = "first"


@dataclass(frozen=True)
class TrainingRecipe:
    """``model``, ``data`` and ``teacher`` are entry points ``module:function`` or ``file.py:function``.

    ``model()`` returns the network (torch.nn.Module or keras model); ``data(split)`` for "train",
    "validation" and "test" returns (x, y) arrays, or a dataset of the framework. ``weights``: a file of the
    network's weights, relative to the recipe; without it the baseline is trained by ``train`` first.
    """

    framework: str
    model: str
    data: str
    schema: int = SCHEMA
    name: str = ""
    weights: str = ""
    teacher: str = ""
    teacher_weights: str = ""
    seeds: tuple[int, ...] = (0,)
    metric: str = "top-1"
    environment: EnvironmentWish = field(default_factory=EnvironmentWish)
    train: Train = field(default_factory=Train)
    steps: tuple[Step, ...] = ()
    export: Export = field(default_factory=Export)
    bench: BenchWish = field(default_factory=BenchWish)

    @property
    def training_sha256(self) -> str:
        """Identity of everything that decides what the training computes; ``bench`` and ``seeds`` do not."""
        unmeasured = replace(self, bench=BenchWish(), seeds=(0,), name="")
        return hashlib.sha256(codec.dumps(unmeasured).encode()).hexdigest()


def load(path: Path) -> TrainingRecipe:
    """The recipe in a TOML file. Raises UsageError recipe.missing, .syntax, .schema, .invalid."""
    try:
        with path.open("rb") as file:
            text = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", code="recipe.missing", fix="check the path of the recipe"
        ) from error
    try:
        # Cut off, it would hardly be TOML; a recipe is a page of text
        document = tomllib.loads(text.decode()) if len(text) <= MAX_BYTES else _too_long()
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{path}: {error}", code="recipe.syntax", fix="correct the line that the message names"
        ) from error
    return parse(document, path)


def _too_long() -> dict[str, Any]:
    raise ValueError(f"holds more than {MAX_BYTES} bytes")


def parse(document: dict[str, Any], path: Path) -> TrainingRecipe:
    """The recipe of a parsed document; ``path`` names it in errors. Raises as ``load``."""
    if document.get("schema") != SCHEMA:
        raise UsageError(
            f"{path}: schema: expected {SCHEMA}, got {document.get('schema')!r}",
            code="recipe.schema",
            fix=f"begin the file with: schema = {SCHEMA}",
        )
    try:
        steps = tuple(_steps(document))
        rest = {key: value for key, value in document.items() if key != "steps"}
        recipe = codec.decode(TrainingRecipe, rest, path="recipe", unknown="refuse")
    except codec.DecodeError as error:
        where = error.path.removeprefix("recipe.")
        raise _invalid(path, f"{where}: expected {error.expected}, got {error.got}") from error
    recipe = replace(recipe, steps=steps, name=recipe.name or path.stem)
    for fault in _faults(recipe):
        raise _invalid(path, fault)
    return recipe


def with_seeds(recipe: TrainingRecipe, seeds: tuple[int, ...]) -> TrainingRecipe:
    """The recipe on other seeds. Raises UsageError recipe.invalid."""
    for fault in _seed_faults(seeds):
        raise _invalid(Path(recipe.name), fault)
    return replace(recipe, seeds=seeds)


def _steps(document: Mapping[str, Any]) -> Iterator[Step]:
    """Every step with its own parameters. Raises DecodeError."""
    items = document.get("steps", [])
    if not isinstance(items, list):
        raise codec.DecodeError("recipe.steps", "a list ([[steps]])", type(items).__name__)
    for number, item in enumerate(items):
        where = f"recipe.steps[{number}]"
        if not isinstance(item, dict):
            raise codec.DecodeError(where, "a table", type(item).__name__)
        technique = str(item.get("technique", ""))
        if technique not in TECHNIQUES:
            raise codec.DecodeError(
                f"{where}.technique",
                f"one of {', '.join(TECHNIQUES)}",
                "nothing" if not technique else repr(technique),
            )
        name = codec.decode(str, item.get("name", technique), path=f"{where}.name")
        own = {key: value for key, value in item.items() if key not in ("technique", "train", "name")}
        parameters = codec.decode(TECHNIQUES[technique], own, path=where, unknown="refuse")
        changed = item.get("train", {})
        codec.decode(Train, changed, path=f"{where}.train", unknown="refuse")
        common = document.get("train", {})
        whole = {**common, **changed} if isinstance(common, dict) else changed
        train = codec.decode(Train, whole, path=f"{where}.train", unknown="refuse")
        yield Step(technique, parameters, train, name, changed)


def _faults(recipe: TrainingRecipe) -> Iterator[str]:
    if recipe.framework not in FRAMEWORKS:
        yield f"framework: expected one of {', '.join(FRAMEWORKS)}, got {recipe.framework!r}"
    for key in ("model", "data", "teacher"):
        value = getattr(recipe, key)
        if (value or key != "teacher") and not _ENTRY.fullmatch(value):
            yield f"{key}: expected module:function or file.py:function, got {value!r}"
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", recipe.name):
        yield f"name: expected letters, digits, dots, - and _, got {recipe.name!r}"
    if recipe.metric not in METRICS:
        yield f"metric: expected one of {', '.join(METRICS)}, got {recipe.metric!r}"
    yield from _seed_faults(recipe.seeds)
    yield from _environment_faults(recipe.environment)
    yield from (f"train.{fault}" for fault in recipe.train.faults())
    for number, step in enumerate(recipe.steps):
        yield from (f"steps[{number}].{fault}" for fault in _step_faults(recipe, step))
        if step.technique == "qat" and number + 1 < len(recipe.steps):
            yield f"steps[{number}].technique: qat must be the last step, got {len(recipe.steps)} steps"
    if recipe.framework == "keras":
        yield from _keras_faults(recipe)
    yield from _output_faults(recipe)


def _output_faults(recipe: TrainingRecipe) -> Iterator[str]:
    if recipe.bench.seeds not in ("first", "all"):
        yield f"bench.seeds: expected first or all, got {recipe.bench.seeds!r}"
    for precision in recipe.bench.precisions:
        if precision not in precisions.NAMES:
            yield f"bench.precisions: expected some of {', '.join(precisions.NAMES)}, got {precision!r}"
    if "onnx" not in recipe.export.formats:
        yield "export.formats: expected onnx among them, for it is what is measured"
    if not 13 <= recipe.export.opset <= 21:
        yield f"export.opset: expected 13 to 21, got {recipe.export.opset}"
    allowed = EXPORTS[recipe.framework]
    for format_ in recipe.export.formats:
        if format_ not in allowed:
            yield f"export.formats: expected some of {', '.join(allowed)}, got {format_!r}"


def _step_faults(recipe: TrainingRecipe, step: Step) -> Iterator[str]:
    known = FRAMEWORKS[recipe.framework]
    if step.technique not in known:
        yield f"technique: {recipe.framework} has {', '.join(known)}, got {step.technique!r}"
    if step.technique == "distil" and not recipe.teacher:
        yield 'technique: distil needs a teacher = "module:function" in the recipe'
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", step.name):
        yield f"name: expected letters, digits, dots, - and _, got {step.name!r}"
    yield from step.parameters.faults()
    yield from (f"train.{fault}" for fault in step.train.faults())


def _keras_faults(recipe: TrainingRecipe) -> Iterator[str]:
    """What tensorflow-model-optimization and the CPU build of TensorFlow cannot do."""
    for where, train in (
        ("", recipe.train),
        *((f"steps[{k}].", s.train) for k, s in enumerate(recipe.steps)),
    ):
        if train.precision != "fp32":
            yield f"{where}train.precision: expected fp32 with keras, got {train.precision!r}"
        if train.device != "cpu":
            yield f"{where}train.device: expected cpu with keras, got {train.device!r}"
    for number, step in enumerate(recipe.steps):
        if getattr(step.parameters, "structured", False):
            yield f"steps[{number}].structured: expected false with keras, got true"
        if isinstance(step.parameters, Qat) and step.parameters.activations != "u8":
            yield f"steps[{number}].activations: expected u8 with keras, got {step.parameters.activations!r}"


def _seed_faults(seeds: tuple[int, ...]) -> Iterator[str]:
    if not 1 <= len(seeds) <= 100 or len(set(seeds)) != len(seeds):
        yield f"seeds: expected 1 to 100 different numbers, got {list(seeds)}"
    for seed in seeds:
        if not 0 <= seed < 2**32:
            yield f"seeds: expected 0 to 2**32 - 1, got {seed}"


def _environment_faults(wish: EnvironmentWish) -> Iterator[str]:
    if wish.python and wish.packages:
        yield "environment.packages: expected nothing beside python, got packages to install"
    for package in wish.packages:
        if not _PIN.fullmatch(package):
            yield f"environment.packages: expected name==version, got {package!r}"
    if not 0 <= wish.memory_gib < float("inf"):
        yield f"environment.memory_gib: expected 0 or more, got {wish.memory_gib}"


def _invalid(path: Path, fault: str) -> UsageError:
    keys = ", ".join(item.name for item in fields(TrainingRecipe))
    return UsageError(
        f"{path}: {fault}", code="recipe.invalid", fix=f"see docs/optimize.md; the recipe's keys are {keys}"
    )
