"""Pack a user's labelled samples the way the agent evaluates them."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_agent.wire import Dataset
from farm_converters.cache import blob_of
from farm_converters.model import InputSpec, Model

if TYPE_CHECKING:
    import numpy as np

MAX_BYTES = 4 << 30
LABELS = ("labels", "y")
ONLY_INPUT = ("x", "images", "inputs")


def pack_dataset(
    path: Path, model: Model, shapes: Mapping[str, tuple[int, ...]], *, folder: Path | None = None
) -> tuple[Dataset, Path]:
    """Read ``path`` (.npz) and write dataset-<hash>.npz into ``folder`` (a new temporary one when None).

    The arrays are called like the model's inputs (or x, images, inputs when there is one), [N, ...] without
    the batch dimension when it is 1, and labels (or y), integers [N].
    Raises UsageError data.missing, .unreadable, .too-large, .names, .shape, .dtype, .labels.
    """
    arrays = _read(path)
    labels = _labels(path, arrays)
    columns = [
        _column(path, arrays, model, item, tuple(shapes[item.name]), len(labels)) for item in model.inputs
    ]
    target = folder or Path(tempfile.mkdtemp(prefix="farm-dataset-"))
    target.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix=".dataset-", dir=target)) / "dataset.npz"
    _write(staged, {**{f"in.{i}": column for i, column in enumerate(columns)}, "labels": labels})
    blob = blob_of(staged)
    packed = target / f"dataset-{blob.sha256[:12]}.npz"
    staged.rename(packed)
    staged.parent.rmdir()
    return Dataset(blob_of(packed), path.name), packed


def _read(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > MAX_BYTES:
            raise _error(path, f"it unpacks to {size / 2**30:.1f} GiB", "too-large", "give fewer samples")
        with np.load(path, allow_pickle=False) as loaded:
            return {key: np.asarray(loaded[key]) for key in loaded.files}
    except FileNotFoundError as error:
        raise _error(path, "there is no such file", "missing", "check the path") from error
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, KeyError) as error:
        reason = f"it cannot be read as .npz ({error})"
        raise _error(path, reason, "unreadable", "save it with numpy.savez, without objects") from error


def _labels(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> np.ndarray[Any, Any]:
    import numpy as np

    name = next((name for name in LABELS if name in arrays), None)
    if name is None:
        raise _error(
            path, "it has no array called labels or y", "labels", "add labels: integers, one per sample"
        )
    labels = arrays[name]
    if labels.ndim != 1 or labels.dtype.kind not in "iu" or not len(labels) or int(labels.min()) < 0:
        what = f"{name} is {labels.dtype}{list(labels.shape)}"
        raise _error(path, what, "labels", "labels must be class numbers from 0, one integer per sample")
    return labels.astype(np.int64)


def _column(
    path: Path,
    arrays: Mapping[str, np.ndarray[Any, Any]],
    model: Model,
    item: InputSpec,
    shape: tuple[int, ...],
    count: int,
) -> np.ndarray[Any, Any]:
    names = (item.name, *(ONLY_INPUT if len(model.inputs) == 1 else ()))
    name = next((name for name in names if name in arrays), None)
    if name is None:
        have = ", ".join(sorted(arrays)) or "nothing"
        raise _error(path, f"no array for the input {item.name}; it has {have}", "names", f"add {item.name}")
    array = arrays[name]
    if str(array.dtype) != item.dtype:
        fix = f"prepare the samples as the network was trained and save them as {item.dtype}"
        raise _error(path, f"{name} is {array.dtype}; the model takes {item.dtype}", "dtype", fix)
    one = shape[1:] if shape[:1] == (1,) else shape
    if array.shape != (count, *one) and array.shape == (count, *shape):
        array = array.reshape(count, *one)
    if array.shape != (count, *one):
        wanted = "x".join(str(size) for size in (count, *one))
        fix = f"{count} labels and a model input of {list(shape)} need an array of {wanted}"
        raise _error(path, f"{name} has the shape {list(array.shape)}", "shape", fix)
    return array


def _write(path: Path, arrays: Mapping[str, np.ndarray[Any, Any]]) -> None:
    """An .npz with fixed dates: the same samples give the same bytes, and are shipped once."""
    import numpy as np

    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED, allowZip64=True) as archive:
        for key in sorted(arrays):
            info = zipfile.ZipInfo(f"{key}.npy", (1980, 1, 1, 0, 0, 0))
            with archive.open(info, "w", force_zip64=True) as file:
                np.lib.format.write_array(file, arrays[key], allow_pickle=False)


def _error(path: Path, what: str, kind: str, fix: str) -> UsageError:
    return UsageError(f"{path}: {what}", code=f"data.{kind}", fix=fix)
