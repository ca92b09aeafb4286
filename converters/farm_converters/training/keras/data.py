"""The user's splits as numpy arrays, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.contract import SPLITS, user_code
from farm_converters.training.identity import samples

MAX_BYTES = 8 << 30
Batch = tuple[tuple[Any, ...], Any]


@dataclass(frozen=True)
class Split:
    """``xs``: one array per input of the network, in its order; ``y``: labels. Axis 0 counts samples.

    ``names``: of the inputs, where the user gave a dict."""

    name: str
    xs: tuple[Any, ...]
    y: Any
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.y)

    @property
    def sha256(self) -> str:
        """Identity of the samples."""
        return samples((*self.xs, self.y))

    def batches(self, size: int, *, seed: int | None = None) -> Iterator[Batch]:
        """Every sample once; shuffled by ``seed``, in order without one."""
        import numpy as np

        order = np.arange(len(self))
        if seed is not None:
            order = np.random.Generator(np.random.PCG64(seed)).permutation(len(self))
        for start in range(0, len(self), size):
            chosen = order[start : start + size]
            yield tuple(x[chosen] for x in self.xs), self.y[chosen]

    def drawn(self, count: int, seed: int) -> Batch:
        """At most ``count`` samples from anywhere in the split, as one batch."""
        return next(self.batches(count, seed=seed))

    def ordered(self, names: list[str]) -> Split:
        """The same with its arrays in the order of the network's inputs. Raises JobError train.data."""
        if not self.names:
            if len(self.xs) != len(names):
                raise _wrong(self.name, f"returned {len(self.xs)} inputs; the network has {len(names)}")
            return self
        if set(self.names) != set(names):
            raise _wrong(self.name, f"named the inputs {sorted(self.names)}; the network's: {sorted(names)}")
        found = dict(zip(self.names, self.xs, strict=True))
        return Split(self.name, tuple(found[name] for name in names), self.y, tuple(names))


def load(function: Callable[[str], Any], folder: Path) -> dict[str, Split | None]:
    """Every split of ``data(split)``; "validation" may be None. Raises JobError train.data,
    train.user-code."""
    found: dict[str, Split | None] = {}
    for name in SPLITS:
        with user_code(f"data({name!r})", folder):
            given = function(name)
            given = _drained(name, given) if hasattr(given, "as_numpy_iterator") else given
        if given is None and name == "validation":
            found[name] = None
            continue
        found[name] = _split(name, given)
    return found


def _drained(name: str, dataset: Any) -> tuple[Any, Any]:  # noqa: ANN401 - tf.data.Dataset of (x, y) samples
    """A whole dataset in memory."""
    import numpy as np

    xs: list[Any] = []
    ys: list[Any] = []
    size = 0
    for x, y in dataset.as_numpy_iterator():
        xs.append(x)
        ys.append(y)
        size += sum(np.asarray(part).nbytes for part in _parts(x).values())
        if size > MAX_BYTES:
            raise _wrong(name, f"holds more than {MAX_BYTES >> 30} GiB; it is kept in memory")
    if not xs:
        raise _wrong(name, "holds no samples")
    columns = {key: np.stack([_parts(x)[key] for x in xs]) for key in _parts(xs[0])}
    if isinstance(xs[0], dict):
        return columns, np.stack(ys)
    return tuple(columns.values()), np.stack(ys)


def _parts(x: Any) -> Mapping[str, Any]:  # noqa: ANN401
    if isinstance(x, dict):
        return x
    return {str(k): part for k, part in enumerate(x if isinstance(x, (tuple, list)) else (x,))}


def _split(name: str, given: Any) -> Split:  # noqa: ANN401 - what the user's function returned
    import numpy as np

    if not isinstance(given, tuple) or len(given) != 2:
        raise _wrong(name, f"returned {type(given).__name__}, not (x, y) or a tf.data.Dataset of samples")
    parts = _parts(given[0])
    arrays = [np.asarray(value) for value in (*parts.values(), given[1])]
    counts = {len(array) if array.ndim else 0 for array in arrays}
    if len(counts) != 1:
        raise _wrong(name, f"returned arrays of different lengths: {sorted(counts)}")
    if counts == {0}:
        raise _wrong(name, "holds no samples")
    for array in arrays:
        if array.dtype.kind not in "fiub":
            raise _wrong(name, f"returned an array of {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _wrong(name, "returned values that are not finite")
    *xs, y = arrays
    names = tuple(str(key) for key in parts) if isinstance(given[0], dict) else ()
    narrow = tuple(x.astype("float32") if x.dtype.kind == "f" else x for x in xs)
    return Split(name, narrow, y.astype("float32" if y.dtype.kind == "f" else "int64"), names)


def _wrong(name: str, what: str) -> JobError:
    return JobError(
        f"data({name!r}) {what}", code="train.data", fix="correct the function that data names in the recipe"
    )
