"""What ``farm sensitivity`` does, as a library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from farm.benchmark import inspect_in
from farm.calibrations import Calibrations
from farm.config import Config
from farm.shapes import ShapeWish, refuse_unused, shapes_for
from farm_converters.recipe import Recipe
from farm_converters.sensitivity import Sensitivity, Until


@dataclass(frozen=True)
class Question:
    """What was asked for. ``exclude``: nodes that stay in floats anyway."""

    model: Path
    exclude: tuple[str, ...] = ()
    shapes: tuple[ShapeWish, ...] = ()
    batch: int | None = None
    until: Until | None = None
    timeout_s: float = 1800.0


def sensitivity_of(
    question: Question,
    samples: Calibrations,
    config: Config,
    *,
    say: Callable[[str], None],
    progress: Callable[[int, int], None],
) -> Sensitivity:
    """The sensitivity of the model's nodes to int8. Raises what reading the model and the samples raises, and
    what ``farm_converters.sensitivity.measure`` does."""
    from farm_converters import sandbox
    from farm_converters.sensitivity import measure
    from farm_converters.shapes import resolve_shapes

    model = inspect_in(config)(question.model)
    names = [spec.name for spec in model.inputs]
    refuse_unused(question.shapes, {model.name: names})
    shapes = resolve_shapes(model, shapes_for(question.shapes, model.name, names), question.batch)
    recipe = samples.applied(Recipe("onnx", "int8", shapes, exclude=question.exclude), model)
    limits = sandbox.Limits(timeout_s=question.timeout_s)
    return measure(
        model, recipe, config.cache_dir, until=question.until, report=say, progress=progress, limits=limits
    )
