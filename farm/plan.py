"""models x devices x targets -> cells. A cell becomes a job, or carries the reason why it cannot."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from farm import native_tools
from farm.devices.device import Device
from farm.errors import FarmError, JobError
from farm.hashing import inputs_sha256
from farm.measure import Measure
from farm.shapes import ShapeWish, refuse_unused, shapes_for
from farm_agent.wire import BlockPlan
from farm_converters.model import Model
from farm_converters.recipe import Recipe
from farm_profiles import Profile, Target

V = TypeVar("V")

DEFAULT_PRECISIONS = ("fp32",)


@dataclass(frozen=True)
class Request:
    """What a user asked for. Empty tuples mean: what the device's profile prefers.

    ``metric``, ``preprocess``: names, or a user's own ``module:function``; "": by the kind of data.
    ``calib``: samples for precisions that need calibration; ``calib_random``: so many random ones instead.
    ``exclude``: nodes that stay in floats. ``builds``: engines built where the device builds them itself.
    ``parallel``: devices driven at the same time, None for as many as this process may.
    ``priority``: among those who wait for a device, higher comes first. ``anyway``: take devices that are
    quarantined, too. ``targets``: exactly these, whatever the profiles list; runtimes, precisions and
    threads then choose nothing. ``budget_s``: of a device's cells, none is begun later.
    """

    models: tuple[Path, ...]
    devices: tuple[str, ...] = ("local",)
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = ()
    threads: tuple[int, ...] = ()
    shapes: tuple[ShapeWish, ...] = ()
    batch: tuple[int, ...] = ()
    inputs: Path | None = None
    data: Path | None = None
    metric: str = ""
    preprocess: str = ""
    calib: Path | None = None
    calib_random: int = 0
    exclude: tuple[str, ...] = ()
    builds: int = 1
    targets: tuple[Target, ...] = ()
    seed: int = 0
    blocks: BlockPlan = field(default_factory=BlockPlan)
    measure: Measure = field(default_factory=Measure)
    wait_s: float = 600.0
    priority: int = 0
    anyway: bool = False
    parallel: int | None = None
    budget_s: float = math.inf
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One model on one device in one target. ``error``: it fails without running. ``skip``: why not tried.
    ``batch``: the size asked for of every free leading dimension; None: nothing was asked for.

    ``model_name`` is known also when the file could not be read; ``model`` and ``recipe`` are then None.
    """

    job_id: str
    model_name: str
    model: Model | None
    device: Device
    profile: Profile
    target: Target
    recipe: Recipe | None
    error: FarmError | None = None
    skip: str = ""
    batch: int | None = None

    @property
    def runs(self) -> bool:
        return self.error is None and not self.skip


@dataclass(frozen=True)
class Plan:
    """Everything a run will do, in order. ``matched``: what each selector matched, for the header."""

    run_id: str
    request: Request
    matched: tuple[tuple[str, tuple[str, ...]], ...]
    cells: tuple[Cell, ...]

    @property
    def devices(self) -> tuple[Device, ...]:
        return tuple({cell.device.name: cell.device for cell in self.cells}.values())

    def cells_of(self, device: Device) -> tuple[Cell, ...]:
        return tuple(cell for cell in self.cells if cell.device.name == device.name)


def make_plan(
    request: Request,
    *,
    run_id: str,
    devices: Sequence[Device],
    matched: Sequence[tuple[str, tuple[str, ...]]],
    profile_of: Callable[[str], Profile],
    inspect: Callable[[Path], Model],
    calibrated: Callable[[Recipe, Model], Recipe] = lambda recipe, _model: recipe,
) -> Plan:
    """Cross models with devices and their targets. Bad models and shapes become failing cells, not errors.

    Raises UsageError for a ``--shape`` that no model has a use for, a tool that does not fit (tool.*), and
    unknown profiles. ``calibrated`` puts samples into the recipes that need them; what it raises is the
    error of their cells.
    """
    request = replace(request, runtimes=native_tools.runtimes_for(request.measure, request.runtimes))
    models = [_read(path, inspect) for path in request.models]
    known = {model.name: [spec.name for spec in model.inputs] for model in models if isinstance(model, Model)}
    if known:
        refuse_unused(request.shapes, known)
    cells: list[Cell] = []
    for path, model in zip(request.models, models, strict=True):
        for batch in request.batch or (None,):
            prepared = model if isinstance(model, FarmError) else _shapes(request, model, batch)
            for device in devices:
                profile = profile_of(device.profile)
                for target, skip in _targets(request, profile):
                    job_id = f"{run_id}-{len(cells):03d}"
                    cell = _cell(job_id, path, prepared, device, profile, target, request)
                    cell = replace(cell, skip=skip, batch=batch)
                    cells.append(_calibrated(cell, calibrated) if cell.runs else cell)
    return Plan(run_id, request, tuple(matched), tuple(cells))


def _read(path: Path, inspect: Callable[[Path], Model]) -> Model | FarmError:
    try:
        return inspect(path)
    except FarmError as error:
        return error


def _shapes(
    request: Request, model: Model, batch: int | None
) -> tuple[Model, dict[str, tuple[int, ...]]] | FarmError:
    from farm_converters.shapes import resolve_shapes

    wishes = shapes_for(request.shapes, model.name, [spec.name for spec in model.inputs])
    try:
        return model, resolve_shapes(model, wishes, batch)
    except FarmError as error:
        return error


def _cell(
    job_id: str,
    path: Path,
    prepared: tuple[Model, dict[str, tuple[int, ...]]] | FarmError,
    device: Device,
    profile: Profile,
    target: Target,
    request: Request,
) -> Cell:
    if isinstance(prepared, FarmError):
        return Cell(job_id, path.stem, None, device, profile, target, None, error=prepared)
    model, shapes = prepared
    recipe = Recipe(
        format=target.format,
        precision=target.precision,
        shapes=shapes,
        seed=request.seed,
        inputs_path=request.inputs,
        inputs_sha256=inputs_sha256(request.inputs),
        exclude=request.exclude,
        options=dict(target.convert),
    )
    return Cell(job_id, model.name, model, device, profile, target, recipe)


def _calibrated(cell: Cell, calibrated: Callable[[Recipe, Model], Recipe]) -> Cell:
    if cell.recipe is None or cell.model is None:
        return cell
    try:
        return replace(cell, recipe=calibrated(cell.recipe, cell.model))
    except FarmError as error:
        return replace(cell, error=error)


def _targets(request: Request, profile: Profile) -> list[tuple[Target, str]]:
    """The profile's targets that the request selects, each once; and what it asks for in vain."""
    if request.targets:
        return [(target, "") for target in request.targets]
    precisions = request.precisions or DEFAULT_PRECISIONS
    runtimes = request.runtimes or unique([target.runtime for target in profile.targets])
    chosen: list[tuple[Target, str]] = []
    for runtime in runtimes:
        for precision in precisions:
            found = [t for t in profile.targets if t.runtime == runtime and t.precision == precision]
            if found:
                found = unique([native_tools.fitted(request.measure.tool, target) for target in found])
                chosen += [(t, "") for t in _with_threads(found, request.threads)]
            elif request.runtimes or request.precisions:
                missing = Target(format="", runtime=runtime, precision=precision)
                chosen.append((missing, f"profile {profile.name} has no {runtime} target at {precision}"))
    return chosen


def _with_threads(targets: Sequence[Target], threads: Sequence[int]) -> list[Target]:
    if not threads:
        return list(targets)
    return unique([replace(target, threads=count) for target in targets for count in threads])


def unique(items: Sequence[V]) -> list[V]:
    """The items in order, each once (they may be unhashable)."""
    kept: list[V] = []
    for item in items:
        if item not in kept:
            kept.append(item)
    return kept


def device_build_error(cell: Cell) -> JobError:
    """Why a cell whose edge runs on the device cannot run where the runtime is missing."""
    return JobError(
        f"{cell.target.format} is built on the device that runs it, and {cell.device.name} "
        f"has no {cell.target.runtime}",
        code="target.needs-device-build",
        fix=f"install {cell.target.runtime} on {cell.device.name}, or leave it out with --runtimes",
    )
