"""The user's splits as tensors or as a torch Dataset, in batches."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.contract import SPLITS, user_code
from farm_converters.training.identity import samples

Batch = tuple[tuple[Any, ...], Any]
MAX_TEST_BYTES = 1 << 30


@dataclass(frozen=True)
class Split:
    """A split: a torch Dataset whose items are (x, y); x one array, or a tuple of them for several inputs."""

    name: str
    dataset: Any

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def sha256(self) -> str:
        """Identity of the samples; of a user's Dataset, which may draw anew every time, their number."""
        if not isinstance(self.dataset, _Arrays):
            return f"{len(self)} samples"
        return samples(tensor.numpy() for tensor in self.dataset.tensors)

    def batches(self, size: int, *, seed: int | None = None) -> Iterator[Batch]:
        """Every sample once; shuffled by ``seed``, in order without one."""
        import torch
        from torch.utils.data import DataLoader

        shuffled = torch.Generator().manual_seed(seed) if seed is not None else None
        loader = DataLoader(self.dataset, batch_size=size, shuffle=seed is not None, generator=shuffled)
        for x, y in loader:
            yield (tuple(x) if isinstance(x, (tuple, list)) else (x,)), y

    def drawn(self, count: int, seed: int) -> Batch:
        """At most ``count`` samples from anywhere in the split, as one batch."""
        return next(self.batches(min(count, len(self)), seed=seed))

    def first(self, count: int) -> Batch:
        """The first samples, as one batch."""
        return next(self.batches(min(count, len(self))))


def load(function: Callable[[str], Any], folder: Path) -> dict[str, Split | None]:
    """Every split of ``data(split)``; "validation" may be None. Raises train.data, train.user-code."""
    found: dict[str, Split | None] = {}
    for name in SPLITS:
        with user_code(f"data({name!r})", folder):
            given = function(name)
        if given is None and name == "validation":
            found[name] = None
            continue
        found[name] = Split(name, _dataset(name, given))
        with user_code(f"data({name!r})", folder):
            _check(name, found[name])
    return found


def _dataset(name: str, given: Any) -> Any:  # noqa: ANN401 - what the user's function returned
    import numpy as np
    import torch
    from torch.utils.data import Dataset

    if isinstance(given, Dataset):
        return given
    if not isinstance(given, tuple) or len(given) != 2:
        raise _wrong(name, f"returned {type(given).__name__}, not (x, y) or a torch Dataset")
    xs = given[0] if isinstance(given[0], (tuple, list)) else (given[0],)
    arrays = [np.asarray(value) for value in (*xs, given[1])]
    counts = {len(array) if array.ndim else 0 for array in arrays}
    if len(counts) != 1:
        raise _wrong(name, f"returned arrays of different lengths: {sorted(counts)}")
    for array in arrays:
        if array.dtype.kind not in "fiub":
            raise _wrong(name, f"returned an array of {array.dtype}")
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise _wrong(name, "returned values that are not finite")
    return _Arrays([torch.from_numpy(np.ascontiguousarray(_narrow(array))) for array in arrays])


def _narrow(array: Any) -> Any:  # noqa: ANN401 - numpy
    """What networks and losses take: float32 for floats, int64 for whole numbers in labels and inputs."""
    return array.astype("float32") if array.dtype.kind == "f" else array.astype("int64")


class _Arrays:
    """(x, y) items out of tensors: the last one is y."""

    def __init__(self, tensors: list[Any]) -> None:
        self.tensors = tensors

    def __len__(self) -> int:
        return len(self.tensors[0])

    def __getitem__(self, index: int) -> Any:  # noqa: ANN401 - tensors
        *xs, y = (tensor[index] for tensor in self.tensors)
        return (tuple(xs) if len(xs) > 1 else xs[0]), y


def _check(name: str, split: Split | None) -> None:
    if split is None or len(split) == 0:
        raise _wrong(name, "holds no samples")
    split.first(1)


def arrays_of(split: Split, batch: int) -> tuple[tuple[Any, ...], Any]:
    """The whole split as numpy arrays. Raises JobError train.data beyond 1 GiB."""
    import numpy as np

    xs: list[tuple[Any, ...]] = []
    ys: list[Any] = []
    size = 0
    for inputs, labels in split.batches(batch):
        xs.append(tuple(value.numpy() for value in inputs))
        ys.append(labels.numpy())
        size += sum(value.nbytes for value in xs[-1])
        if size > MAX_TEST_BYTES:
            raise _wrong(split.name, "holds more than 1 GiB; it goes to every device")
    return tuple(np.concatenate(parts) for parts in zip(*xs, strict=True)), np.concatenate(ys)


def _wrong(name: str, what: str) -> JobError:
    return JobError(
        f"data({name!r}) {what}", code="train.data", fix="correct the function that data names in the recipe"
    )
