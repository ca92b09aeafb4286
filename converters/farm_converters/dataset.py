"""Pack a user's samples the way the agent evaluates them."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from farm_agent.wire import Dataset
from farm_converters import cache, prepared, readers
from farm_converters.golden_onnx import save_npz
from farm_converters.model import Model

TOP_1 = "top-1"


@dataclass(frozen=True)
class Packed:
    """``dataset`` as it goes to a device, ``path`` its file. ``labels``: "classes", "values" (a regression)
    or "" for none. ``classes``: their names where the numbers come from sorted names, which fit the model's
    scores only when there are as many. ``notes``: what was left out, for people."""

    dataset: Dataset
    path: Path
    count: int
    labels: str = ""
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def pack(
    path: Path,
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    *,
    folder: Path | None = None,
    preprocess: str = "",
) -> Packed:
    """Read ``path`` (an .npz, a folder by class or a .csv; see ``readers``) and write dataset-<hash>.npz into
    ``folder`` (a new temporary one when None).

    Raises UsageError data.*: .missing, .kind, .unreadable, .too-large, .names, .count, .empty, .mixed,
    .shape, .dtype, .layout, .labels, .values, .preprocess, .not-finite, .pillow.
    """
    asked = readers.Asked(model, shapes, preprocess)
    samples = readers.open_samples(path, asked)
    made = prepared.prepare(samples, asked)
    arrays = {f"in.{i}": column for i, column in enumerate(made.columns)}
    kind = ""
    if samples.labels is not None:
        arrays["labels"] = samples.labels
        kind = "classes" if samples.labels.dtype.kind == "i" else "values"
    target = folder or Path(tempfile.mkdtemp(prefix="farm-dataset-"))
    with cache.writable(target):
        target.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".dataset-", dir=target) as scratch:
            staged = Path(scratch) / "dataset.npz"
            save_npz(staged, arrays)
            packed = staged.rename(target / f"dataset-{cache.blob_of(staged).sha256[:12]}.npz")
    place, _ = readers.located(path)
    metric = TOP_1 if kind == "classes" else ""
    dataset = Dataset(cache.blob_of(packed), place.name, metric=metric, keep_outputs=True)
    return Packed(dataset, packed, samples.count, kind, samples.classes, samples.notes)


def pack_dataset(
    path: Path, model: Model, shapes: Mapping[str, tuple[int, ...]], *, folder: Path | None = None
) -> tuple[Dataset, Path]:
    """``pack``, of which only what is shipped is wanted."""
    packed = pack(path, model, shapes, folder=folder)
    return packed.dataset, packed.path
