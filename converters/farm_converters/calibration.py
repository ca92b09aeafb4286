"""Samples of real inputs, from which a quantiser learns the ranges of activations.

Packed as an .npz with keys ``in.I`` ([count, *the input's fixed shape], the source's dtype), named by its
hash, so that the same samples are the same calibration wherever they came from.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm_agent.errors import UsageError
from farm_converters import cache
from farm_converters.model import Model

DATA, RANDOM = "data", "random"


@dataclass(frozen=True)
class Calibration:
    """``kind``: data or random (only when asked for by name; marked in every result). ``name``: for
    people."""

    kind: str
    count: int
    sha256: str
    path: Path
    name: str = ""

    @property
    def text(self) -> str:
        """As results show it."""
        return f"{self.count} {'random samples' if self.kind == RANDOM else 'samples'}"


def random(
    model: Model, shapes: Mapping[str, tuple[int, ...]], *, count: int, seed: int, folder: Path
) -> Calibration:
    """Samples drawn like the check's (floats from U(-1, 1), integers 0 or 1): ranges that mean nothing.

    Raises UsageError calib.count, calib.too-large.
    """
    import numpy as np

    from farm_converters import samples
    from farm_converters.readers.samples import MAX_BYTES

    size = count * sum(math.prod(shapes[i.name]) * np.dtype(i.dtype).itemsize for i in model.inputs)
    if size > MAX_BYTES:
        what = f"{count} random samples of this model hold {size / 2**30:.1f} GiB"
        raise UsageError(what, code="calib.too-large", fix="ask for fewer: --calib-random 8")
    if count < 1:
        raise UsageError("calibration needs at least one sample", code="calib.count", fix="--calib-random 32")
    inputs = [{"name": i.name, "dtype": i.dtype, "shape": list(shapes[i.name])} for i in model.inputs]
    drawn = samples.seeded({"seed": seed}, inputs, count)
    arrays = {f"in.{i}": np.stack([sample[i] for sample in drawn]) for i in range(len(inputs))}
    return write(arrays, RANDOM, folder, name=f"random, seed {seed}")


def from_data(
    path: Path,
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    folder: Path,
    limit: int = 200,
    preprocess: str = "",
) -> Calibration:
    """Samples of an .npz, a folder or a .csv, as ``--data`` reads them (labels are ignored).

    At most ``limit`` samples: the first of a shuffle with a fixed seed. A model whose batch is B takes B of
    them at a time; what does not fill a batch is left out. Raises UsageError calib.*: .missing, .kind,
    .unreadable, .too-large, .names, .count, .empty, .mixed, .shape, .dtype, .layout, .values, .preprocess,
    .not-finite, .pillow; and data.preprocess for a name that there is not.
    """
    from farm_converters import prepared, readers
    from farm_converters.readers.asked import CALIBRATION

    if limit < 1:
        raise UsageError(
            "calibration needs at least one sample", code="calib.count", fix="give a limit above 0"
        )
    asked = readers.Asked(model, shapes, preprocess, labels=False, family=CALIBRATION)
    samples = readers.open_samples(path, asked)
    made = prepared.prepare(samples, asked, limit=limit)
    batch = made.batch
    if len(made.chosen) < batch <= made.total:
        made = prepared.prepare(samples, asked, limit=batch)
    count = len(made.chosen) // batch
    if not count:
        raise UsageError(
            f"{path}: {len(made.chosen)} samples do not fill a batch of {batch}",
            code="calib.count",
            fix=f"give at least {batch} samples, or a smaller batch",
        )
    arrays = {}
    for number, (item, column) in enumerate(zip(model.inputs, made.columns, strict=True)):
        arrays[f"in.{number}"] = column[: count * batch].reshape(count, *shapes[item.name])
    how = f", {preprocess}" if preprocess else ""
    part = f"{count * batch} of {made.total}, shuffled with seed {prepared.SEED}" * (
        count * batch < made.total
    )
    place, _ = readers.located(path)
    return write(arrays, DATA, folder, name=f"{place.name}: {part or made.total}{how}")


def write(arrays: Mapping[str, object], kind: str, folder: Path, *, name: str) -> Calibration:
    """Pack ``in.I`` arrays (checked by the caller) into ``folder``/<hash>.npz."""
    import os
    import tempfile

    import numpy as np

    from farm_converters.golden_onnx import save_npz

    with cache.writable(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle, staged = tempfile.mkstemp(prefix=".calibration-", dir=folder)
        os.close(handle)
        try:
            save_npz(Path(staged), dict(arrays))
            blob = cache.blob_of(Path(staged))
            path = Path(staged).replace(folder / f"{blob.sha256}.npz")
        finally:
            Path(staged).unlink(missing_ok=True)
    count = len(np.asarray(next(iter(arrays.values()))))
    return Calibration(kind, count, blob.sha256, path, name)
