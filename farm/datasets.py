"""The data set of a run: packed for each model, with the source model's own answers, once per run."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Executor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import FarmError, JobError, UsageError

if TYPE_CHECKING:
    import numpy as np

    from farm.plan import Cell
    from farm_agent.wire import Dataset
    from farm_converters.dataset import Packed
    from farm_converters.evaluate import Reference
    from farm_converters.model import Model
    from farm_converters.recipe import Recipe

ASK_AGAIN_S = 0.5  # whether the run was stopped, while a conversion goes on
HEADERS_BYTES = 1 << 20  # of the arrays in an .npz


@dataclass(frozen=True)
class Wish:
    """What was asked for: see ``farm.plan.Request``."""

    data: Path | None = None
    metric: str = ""
    preprocess: str = ""


@dataclass(frozen=True)
class Ready:
    """``dataset`` and ``path`` are shipped; ``metric`` is what its outputs are judged by ("" without labels),
    against ``reference``."""

    dataset: Dataset
    path: Path
    metric: str
    packed: Packed
    reference: Reference


def refuse_unknown(wish: Wish) -> None:
    """Raise UsageError data.missing, .metric or .preprocess for what there is not, before any work."""
    from farm_converters import preprocess, readers
    from farm_results import metrics

    if wish.data is not None and not readers.located(wish.data)[0].exists():
        raise UsageError(
            f"{wish.data}: there is no such file or folder",
            code="data.missing",
            fix="check the path given to --data",
        )
    if wish.data is None and wish.metric:
        raise UsageError(
            f"--metric {wish.metric} says how to judge a data set, and none was given",
            code="data.missing",
            fix="give --data FILE.npz|FOLDER|TABLE.csv",
        )
    if wish.metric and not metrics.is_custom(wish.metric):
        metrics.load(wish.metric)
    if wish.preprocess and not preprocess.is_custom(wish.preprocess):
        preprocess.load(wish.preprocess)


class DataDesk:
    """Packs the run's samples for each model, in the executor of the conversions. Thread-safe."""

    def __init__(
        self, wish: Wish, cache_dir: Path, pool: Executor, report: Callable[[Cell, str], None]
    ) -> None:
        self._wish, self._cache_dir = wish, cache_dir
        self._pool, self._report = pool, report
        self._lock = threading.Lock()
        self._ready: dict[str, Future[Ready]] = {}

    def order(self, cell: Cell) -> Future[Ready] | None:
        """What the cell's model will be evaluated on; None when the run has no data."""
        model, recipe = cell.model, cell.recipe
        if self._wish.data is None or model is None or recipe is None:
            return None
        key = f"{model.sha256}:{sorted(recipe.shapes.items())}"
        with self._lock:
            if key not in self._ready:
                data = self._wish.data
                self._ready[key] = self._pool.submit(self._prepare, cell, data, model, recipe)
            return self._ready[key]

    def futures(self) -> list[Future[Ready]]:
        """All that was ordered."""
        with self._lock:
            return list(self._ready.values())

    def _prepare(self, cell: Cell, data: Path, model: Model, recipe: Recipe) -> Ready:
        wish = self._wish
        return prepare(
            replace(wish, data=data), model, recipe, self._cache_dir, lambda text: self._report(cell, text)
        )


def prepare(
    wish: Wish, model: Model, recipe: Recipe, cache_dir: Path, report: Callable[[str], None]
) -> Ready:
    """Pack the samples, run the source model over them, and see whether labels and metric fit its outputs.

    Raises UsageError data.*, metric.custom; JobError convert.source-fails, data.*; what the sandbox raises.
    """
    from farm_converters import dataset, evaluate
    from farm_results import metrics

    if wish.data is None:
        raise UsageError("no data set was named", code="data.missing", fix="give --data")
    packed = dataset.pack(
        wish.data, model, recipe.shapes, folder=cache_dir / "datasets", preprocess=wish.preprocess
    )
    for note in packed.notes:
        report(f"{packed.dataset.name}: {note}")
    metric = metrics.choose(wish.metric, packed.labels)
    plain = replace(recipe, calibration=None, exclude=(), options={})
    reference = evaluate.reference(model, plain, packed, cache_dir, report=report)
    if metrics.is_custom(metric):
        _runs(metric, packed, reference)
    elif metric:
        _fits(metric, packed, reference)
    counted = replace(packed.dataset, metric=metric if metric == dataset.TOP_1 else "")
    return Ready(counted, packed.path, metric, packed, reference)


def arrays_of(path: Path, prefix: str = "out.") -> list[np.ndarray[Any, Any]]:
    """out.0, out.1, ... of an .npz, which a device may have sent. Raises JobError data.unreadable,
    data.missing, data.too-large; MemoryError."""
    from farm_agent import collect, feed

    data = feed.load_npz(str(path), collect.MAX_OUTPUT_BYTES + HEADERS_BYTES)
    return [feed.read(data, f"{prefix}{number}") for number in range(sum(k.startswith(prefix) for k in data))]


def labels_of(ready: Ready) -> np.ndarray[Any, Any] | None:
    """The labels, or None. Raises JobError data.unreadable."""
    from farm_agent import feed

    found: np.ndarray[Any, Any] | None = None
    if ready.metric:
        found = feed.read(feed.load_npz(str(ready.path)), "labels")
    return found


def _fits(metric: str, packed: Packed, reference: Reference) -> None:
    """Refuse labels that the source model's outputs have no place for, before anything is measured."""
    from farm_agent import collect, feed
    from farm_results import metrics

    outputs = arrays_of(reference.path)
    labels = feed.read(feed.load_npz(str(packed.path)), "labels")
    module = metrics.load(metric)
    try:
        if packed.classes and module.LABELS == metrics.CLASSES:
            _same_classes(packed, collect.class_scores(outputs).shape[1])
        module.statistics(outputs, labels)
    except JobError as error:
        raise UsageError(error.message, code="data.no-classes", fix=error.fix) from error


def _runs(metric: str, packed: Packed, reference: Reference) -> None:
    """Try the user's own metric on the source model's outputs, before anything is measured."""
    import tempfile

    from farm_agent import feed
    from farm_converters import custom

    labels = feed.read(feed.load_npz(str(packed.path)), "labels")
    with tempfile.TemporaryDirectory(prefix="farm-metric-") as scratch:
        custom.metric(metric, reference.path, None, labels, Path(scratch) / "work")


def _same_classes(packed: Packed, scores: int) -> None:
    if len(packed.classes) == scores:
        return
    shown = ", ".join(packed.classes[:3]) + (", ..." if len(packed.classes) > 3 else "")
    raise UsageError(
        f"{packed.dataset.name} names {len(packed.classes)} of the classes ({shown}), the model gives "
        f"{scores} scores: which class has which number is not known",
        code="data.labels",
        fix="list all class names in labels.txt beside them, one per line, in the order of the scores",
    )


def ended(future: Future[Any]) -> bool:
    """Whether it is done, or is within half a second: hundreds of devices wait for the same one, asleep."""
    from concurrent.futures import wait

    return bool(wait([future], timeout=ASK_AGAIN_S).done)


def found_of(future: Future[Ready] | None, stop: threading.Event) -> Ready | None:
    """Wait for what was ordered. Raises the FarmError that it ended with."""
    from concurrent.futures import CancelledError

    from farm.errors import FarmBug, InfrastructureError

    if future is None:
        return None
    while not ended(future):
        if stop.is_set():
            raise InfrastructureError("stopped before its data set was ready", code="run.interrupted")
    try:
        return future.result()
    except FarmError:
        raise
    except CancelledError as error:
        raise InfrastructureError("its data set was cancelled", code="run.interrupted") from error
    except MemoryError as error:
        raise UsageError(
            "the data set does not fit into this machine's memory",
            code="data.too-large",
            fix="give fewer samples",
        ) from error
    except Exception as error:
        raise FarmBug(f"the data set failed in our own code: {error!r}", code="farm.bug") from error
