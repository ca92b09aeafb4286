"""The desk where devices pick up artifacts: each (model, recipe) is converted once per run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.datasets import DataDesk, Wish, ended
from farm.errors import FarmBug, FarmError, InfrastructureError
from farm.plan import Cell

if TYPE_CHECKING:
    from farm.datasets import Ready
    from farm_converters.recipe import Artifact

Key = tuple[str, str]


class ArtifactDesk:
    """Converts what a plan's cells need. Thread-safe; one conversion at a time unless told otherwise."""

    def __init__(
        self, cache_dir: Path, data: Wish, report: Callable[[Cell, str], None], *, workers: int = 1
    ) -> None:
        self._cache_dir = cache_dir
        self._report = report
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="convert")
        self._lock = threading.Lock()
        self._artifacts: dict[Key, Future[Artifact]] = {}
        self._data = DataDesk(data, cache_dir, self._pool, report)

    @property
    def cache_dir(self) -> Path:
        """Where conversions, and what is kept for builds on devices, lie."""
        return self._cache_dir

    def order(self, cells: Iterable[Cell]) -> None:
        """Queue the conversions of all cells that run, in the order given."""
        for cell in cells:
            if cell.runs:
                self._future(cell)
                self._data.order(cell)

    def collect(self, cell: Cell, stop: threading.Event) -> Artifact:
        """Wait for the cell's artifact. Raises the FarmError that its conversion ended with."""
        future = self._future(cell)
        while not ended(future):
            if stop.is_set():
                raise InfrastructureError("stopped before its conversion ended", code="run.interrupted")
        try:
            return future.result()
        except FarmError:
            raise
        except CancelledError as error:
            raise InfrastructureError("its conversion was cancelled", code="run.interrupted") from error
        except Exception as error:
            raise FarmBug(f"conversion failed in our own code: {error!r}", code="farm.bug") from error

    def dataset(self, cell: Cell, stop: threading.Event) -> Ready | None:
        """The run's samples packed for the cell's model, or None. Raises the FarmError that ended it."""
        from farm.datasets import found_of

        return found_of(self._data.order(cell), stop)

    def wait_all(self, stop: threading.Event) -> None:
        """Return when nothing converts any more, so that the host is quiet enough to measure on."""
        with self._lock:
            futures: list[Future[Any]] = [*self._artifacts.values(), *self._data.futures()]
        for future in futures:
            while not stop.is_set() and not ended(future):
                pass

    def close(self) -> None:
        """Cancel what has not begun and wait for what has."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def _future(self, cell: Cell) -> Future[Artifact]:
        with self._lock:
            key = (cell.model.sha256 if cell.model else cell.model_name, repr(cell.recipe))
            if key not in self._artifacts:
                self._artifacts[key] = self._pool.submit(self._convert, cell)
            return self._artifacts[key]

    def _convert(self, cell: Cell) -> Artifact:
        from farm_converters.convert import convert

        if cell.model is None or cell.recipe is None:
            raise FarmBug(f"cell {cell.job_id} has nothing to convert", code="farm.bug")
        return convert(cell.model, cell.recipe, self._cache_dir, report=lambda text: self._report(cell, text))
