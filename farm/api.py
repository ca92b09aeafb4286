"""The public Python API: each function does what the command of the same name does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from farm.config import load_config
from farm.errors import UsageError
from farm.progress import Reporter, Silent

if TYPE_CHECKING:
    import pandas as pd

    from farm.measure import Measure
    from farm_converters.recipe import Artifact
    from farm_results.compare.row import Compared
    from farm_results.model import Result

T = TypeVar("T", str, int)


def bench(
    models: str | Path | Sequence[str | Path] | None = None,
    *,
    devices: str | Sequence[str] = "local",
    runtimes: str | Sequence[str] = (),
    precisions: str | Sequence[str] = (),
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | Sequence[int] | None = None,
    threads: int | Sequence[int] = (),
    inputs: str | Path | None = None,
    data: str | Path | None = None,
    metric: str = "",
    preprocess: str = "",
    seed: int = 0,
    smoke: bool = False,
    blocks: int | None = None,
    min_time_s: float | None = None,
    scenario: str = "latency",
    period_s: float | None = None,
    duration_s: float | None = None,
    streams: Sequence[int] = (),
    page_cache: str = "",
    measure: Measure | None = None,
    store: str | Path | None = None,
    labels: Mapping[str, object] | None = None,
    wait_s: float = 600.0,
    reporter: Reporter | None = None,
) -> list[Result]:
    """Measure models on devices and return the results, failed cells included; see ``farm bench --help``.

    ``period_s``, ``duration_s``, ``streams`` and ``page_cache`` are options of a ``scenario``. ``measure``
    says everything about how to measure, gate, pins, energy and layers included; the scenario and its
    options are then those that it holds. ``wait_s``: how long to wait for a device that somebody else uses.
    Without ``models`` the bundled sample network runs on its labelled samples.

    Raises UsageError when the request itself is wrong; a model or device that fails is a Result with status
    "failed". Ctrl-C ends the measurement cleanly, then raises KeyboardInterrupt; finished jobs are kept.
    """
    from farm.benchmark import execute, plan_for, with_sample
    from farm.measure import Measure, plan_of, scenario_options
    from farm.plan import Request
    from farm.shapes import ShapeWish

    if measure is None:
        options = scenario_options(
            scenario,
            smoke=smoke,
            period_s=period_s,
            duration_s=duration_s,
            streams=streams,
            page_cache=page_cache,
        )
        measure = Measure(scenario=scenario, scenario_options=options)
    chosen = [models] if isinstance(models, str | Path) else list(models or ())
    request = with_sample(
        Request(
            models=tuple(Path(model) for model in chosen),
            devices=_several("devices", devices, str),
            runtimes=_several("runtimes", runtimes, str),
            precisions=_several("precisions", precisions, str),
            threads=_several("threads", threads, int),
            shapes=tuple(ShapeWish(name, tuple(shape)) for name, shape in (shapes or {}).items()),
            batch=_several("batch", () if batch is None else batch, int),
            inputs=Path(inputs) if inputs else None,
            data=Path(data) if data else None,
            metric=metric,
            preprocess=preprocess,
            seed=seed,
            blocks=plan_of(scenario=measure.scenario, smoke=smoke, blocks=blocks, min_time_s=min_time_s),
            measure=measure,
            wait_s=wait_s,
            labels={str(key): str(value) for key, value in (labels or {}).items()},
        )
    )
    config = load_config({"store": str(store)} if store else None)
    outcome = execute(plan_for(request, config), config, reporter or Silent())
    if outcome.interrupted:
        raise KeyboardInterrupt
    return list(outcome.results)


def _several(name: str, given: T | Sequence[T], kind: type[T]) -> tuple[T, ...]:
    """One or more of a kind: a string is one, not its letters. Raises UsageError api.argument."""
    found = (given,) if isinstance(given, str | int) else tuple(given)
    for each in found:
        if not isinstance(each, kind) or isinstance(each, bool):
            raise UsageError(
                f"{name}={given!r}: {each!r} is no {kind.__name__}",
                code="api.argument",
                fix=f"give {name} one {kind.__name__} or a list of them",
            )
    return found


def convert(
    model: str | Path,
    to: Sequence[str] = ("onnx", "openvino", "tflite"),
    *,
    precision: str = "fp32",
    shapes: Mapping[str, Sequence[int]] | None = None,
    batch: int | None = None,
    seed: int = 0,
) -> list[Artifact]:
    """Convert a model to each format and check every artifact against the source model.

    Raises the FarmError of the first format that fails.
    """
    from farm.conversions import Wish, convert_all
    from farm.shapes import ShapeWish

    wishes = tuple(ShapeWish(name, tuple(shape)) for name, shape in (shapes or {}).items())
    wish = Wish(Path(model), tuple(to), (precision,), wishes, batch, seed=seed)
    done = convert_all(wish, load_config(), lambda _: None)
    for conversion in done:
        if conversion.error is not None:
            raise conversion.error
    return [conversion.artifact for conversion in done if conversion.artifact is not None]


def compare(
    reference: str,
    candidate: str = "last",
    *,
    metrics: str | Sequence[str] = ("own",),
    by: str | Sequence[str] = (),
    store: str | Path | None = None,
) -> Compared:
    """Hold one run against another, named as ``farm compare`` names them; see docs/compare.md.

    Raises UsageError for a name that means nothing, a metric or an axis that there is not.
    """
    from farm_results import refs
    from farm_results.compare.stored import compare_refs
    from farm_results.store import open_store

    opened = open_store(store if store is not None else load_config().store)
    try:
        sides = [refs.resolve(opened, each, measured=True) for each in (reference, candidate)]
        kinds = _several("metrics", metrics, str), _several("by", by, str)
        return compare_refs(opened, *sides, metrics=kinds[0], by=kinds[1])
    finally:
        opened.close()


def load_results(store: str | Path | None = None, **filters: Any) -> pd.DataFrame:  # noqa: ANN401
    """Stored results as a pandas frame, one row per result; filters as ``farm results list`` has them."""
    from farm_results.storage.frame import load_results as load

    return load(store if store is not None else load_config().store, **filters)
