"""Samples, chosen and prepared, as arrays that a model takes."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_converters import preprocess
from farm_converters.preprocess import Sample, Target, Unfit, placing
from farm_converters.readers.asked import Asked
from farm_converters.readers.samples import MAX_BYTES

if TYPE_CHECKING:
    import numpy as np

    from farm_converters.readers.samples import Samples

SEED = 0  # of the shuffle that precedes the choice of a subset


@dataclass(frozen=True)
class Prepared:
    """``columns``: [count, ...] per input of the model, in its order, without the batch; ``chosen``: which of
    the ``total`` samples they are, in order; ``batch``: how many of them one inference takes."""

    columns: tuple[np.ndarray[Any, Any], ...]
    chosen: tuple[int, ...]
    total: int
    batch: int = 1


def targets(asked: Asked, first: Mapping[str, np.ndarray[Any, Any]]) -> tuple[tuple[Target, ...], int]:
    """One sample of every input, and how many an inference takes.

    The first axis is the batch where it is 1, where the model leaves it free, or where the ``first`` sample
    has all axes but that one. Raises UsageError data.shape (or calib.shape) when batches differ.
    """
    found, batches = [], set()
    for item in asked.model.inputs:
        shape = tuple(asked.shapes[item.name])
        declared = item.shape[0] if item.shape else 1
        fits = item.name in first and first[item.name].shape == shape[1:]
        batched = bool(shape) and (shape[0] == 1 or not isinstance(declared, int) or fits)
        batches.add(shape[0] if batched else 1)
        found.append(Target(item.name, item.dtype, shape[1:] if batched else shape))
    if len(batches) > 1:
        raise asked.error(
            f"the inputs take {sorted(batches)} samples at a time", "shape", "give the batch 1: --batch 1"
        )
    return tuple(found), batches.pop() if batches else 1


def prepare(samples: Samples, asked: Asked, *, limit: int | None = None) -> Prepared:
    """At most ``limit`` samples (the first of a fixed shuffle, in their own order), prepared.

    Raises UsageError data.* or calib.*: .preprocess, .dtype, .shape, .layout, .not-finite, .too-large, and
    what reading raises.
    """
    import numpy as np

    chosen: Sequence[int] = range(samples.count)
    if limit is not None and limit < samples.count:
        shuffled = np.random.Generator(np.random.PCG64(SEED)).permutation(samples.count)
        chosen = sorted(int(index) for index in shuffled[:limit])
    first = samples.read(chosen[0]) if chosen else {}
    wanted, batch = targets(asked, {} if asked.preprocess else first)
    if preprocess.is_custom(asked.preprocess):
        columns = _by_user(samples, asked, wanted, chosen)
    else:
        columns = _by_name(samples, asked, wanted, chosen)
    for target, column in zip(wanted, columns, strict=True):
        _refuse_not_finite(samples, asked, target, column, chosen)
    return Prepared(columns, tuple(chosen), samples.count, batch)


def _by_name(
    samples: Samples, asked: Asked, wanted: tuple[Target, ...], chosen: Sequence[int]
) -> tuple[np.ndarray[Any, Any], ...]:
    import numpy as np

    name = asked.preprocess or ("raw" if samples.pictures and _takes_pixels(wanted) else "")
    apply = preprocess.load(name).apply if name else _unchanged
    columns: list[np.ndarray[Any, Any]] = []
    for place, index in enumerate(chosen):
        arrays = samples.read(index)
        for number, target in enumerate(wanted):
            sample = Sample(arrays[target.name], samples.pictures, samples.where(index), samples.extras)
            try:
                array = apply(sample, target)
            except Unfit as error:
                raise asked.error(f"{sample.where} {error.what}", error.kind, error.fix) from error
            if not place:
                columns.append(np.empty(_bounded(target, len(chosen), asked), target.dtype))
            columns[number][place] = array
    return tuple(columns)


def _unchanged(sample: Sample, target: Target) -> np.ndarray[Any, Any]:
    if sample.picture:
        raise Unfit(
            "preprocess",
            f"is an image; how pixels become the {target.dtype} that {target.name} takes is not known",
            "say how the network was trained: --preprocess unit, signed, mnist, imagenet, or raw for 0..255",
        )
    return placing.strict(sample.array, target)


def _takes_pixels(wanted: tuple[Target, ...]) -> bool:
    return all(target.dtype == "uint8" for target in wanted)


def _bounded(target: Target, count: int, asked: Asked) -> tuple[int, ...]:
    import numpy as np

    size = math.prod(target.shape) * count * np.dtype(target.dtype).itemsize
    if size > MAX_BYTES:
        what = f"{count} samples of {list(target.shape)} hold {size / 2**30:.1f} GiB"
        raise asked.error(what, "too-large", "give fewer samples")
    return (count, *target.shape)


def _refuse_not_finite(
    samples: Samples, asked: Asked, target: Target, column: np.ndarray[Any, Any], chosen: Sequence[int]
) -> None:
    import numpy as np

    if column.dtype.kind != "f":
        return
    for place in range(len(column)):  # sample by sample: a mask of the whole would double the memory
        if not np.isfinite(column[place]).all():
            where = samples.where(chosen[place])
            raise asked.error(
                f"{where}: {target.name} holds NaN or infinity",
                "not-finite",
                "leave the sample out, or mend it",
            )


def _by_user(
    samples: Samples, asked: Asked, wanted: tuple[Target, ...], chosen: Sequence[int]
) -> tuple[np.ndarray[Any, Any], ...]:
    """The user's own function, in a process of its own."""
    from farm_converters import custom
    from farm_converters.golden_onnx import save_npz

    with tempfile.TemporaryDirectory(prefix="farm-preprocess-") as scratch:
        arrays: dict[str, Any] = {}
        size = 0
        for place, index in enumerate(chosen):
            for number, array in enumerate(samples.read(index)[target.name] for target in wanted):
                arrays[f"s.{place}.{number}"] = array
                size += array.nbytes
            if size > MAX_BYTES:
                raise asked.error(f"the samples hold over {size / 2**30:.1f} GiB", "too-large", "give fewer")
        packed = Path(scratch) / "samples.npz"
        save_npz(packed, arrays)
        arrays.clear()
        try:
            made = custom.preprocess(asked.preprocess, packed, len(chosen), wanted, Path(scratch) / "work")
        except UsageError as error:
            raise asked.error(error.message, "preprocess", error.fix) from error
    return tuple(_checked(made[f"in.{i}"], target, len(chosen), asked) for i, target in enumerate(wanted))


def _checked(array: Any, target: Target, count: int, asked: Asked) -> np.ndarray[Any, Any]:  # noqa: ANN401
    import numpy as np

    if array.shape != (count, *target.shape) or str(array.dtype) != target.dtype:
        raise asked.error(
            f"{asked.preprocess} gave {array.dtype}{list(array.shape[1:])}; {target.name} takes "
            f"{target.dtype}{list(target.shape)}",
            "preprocess",
            "return one array of that type and shape",
        )
    return np.asarray(array)
