"""Arrays between the source model's world (names, dtypes, layout) and the artifact's."""

from __future__ import annotations

import struct
import zipfile
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from farm_agent.errors import JobError
from farm_agent.wire import TensorMap, TensorSpec

# A zip member may claim any size; more than this is no test input.
NPZ_LIMIT_BYTES = 8 * 1024**3


def load_npz(path: str, limit_bytes: Optional[int] = None) -> Mapping[str, Any]:
    """Open an .npz lazily; ``limit_bytes``: what it may unpack to, in place of NPZ_LIMIT_BYTES.

    Raises JobError ``data.unreadable``, ``data.too-large``.
    """
    import numpy as np

    try:
        with zipfile.ZipFile(path) as archive:
            size = sum(info.file_size for info in archive.infolist())
        if size > (NPZ_LIMIT_BYTES if limit_bytes is None else limit_bytes):
            raise JobError(f"{path} unpacks to {size} bytes", code="data.too-large", fix="use fewer samples")
        data: Mapping[str, Any] = np.load(path, allow_pickle=False)
    except (OSError, ValueError, zipfile.BadZipFile, EOFError, RuntimeError, struct.error) as error:
        raise JobError(f"cannot read {path}: {error}", code="data.unreadable", fix="send it again") from error
    return data


def read(data: Mapping[str, Any], key: str) -> Any:  # noqa: ANN401 - numpy array
    """One array of an .npz. Raises JobError ``data.missing``, ``data.unreadable``; MemoryError."""
    if key not in data:
        raise JobError(f"the data have no array {key}", code="data.missing", fix="pack the data again")
    try:
        array = data[key]
    except MemoryError:
        raise
    except Exception as error:  # zipfile, zlib and numpy's header have a dozen ways to say that it is damaged
        raise JobError(f"cannot read {key}: {error}", code="data.unreadable", fix="send it again") from error
    if not hasattr(array, "dtype"):  # a member without numpy's first bytes is handed over as it is
        raise JobError(f"{key} is no array", code="data.unreadable", fix="pack the data again")
    return array


def sample(data: Optional[Mapping[str, Any]], index: int, maps: Sequence[TensorMap]) -> Dict[str, Any]:
    """Sample ``index`` (keys in.INDEX.I) as the artifact wants it; zeros where there are no data."""
    if data is None:
        return zeros([entry.artifact for entry in maps])
    return {
        entry.artifact.name: to_artifact(read(data, f"in.{index}.{i}"), entry) for i, entry in enumerate(maps)
    }


def zeros(specs: Sequence[TensorSpec]) -> Dict[str, Any]:
    """Zeros for every input; a dimension that is free becomes 1."""
    import numpy as np

    return {
        spec.name: np.zeros([max(1, size) if size < 0 else size for size in spec.shape], spec.dtype)
        for spec in specs
    }


def to_artifact(array: Any, entry: TensorMap) -> Any:  # noqa: ANN401 - numpy array
    """Permute and cast or quantise an input of the source model. Raises JobError input.dtype, input.shape."""
    import numpy as np

    source, target = entry.source, entry.artifact
    if array.dtype != np.dtype(source.dtype):
        raise JobError(
            f"the input {source.name} is {array.dtype}, the model wants {source.dtype}",
            code="input.dtype",
            fix=f"give {source.name} as {source.dtype}",
        )
    _same_shape(array.shape, source)
    if entry.permutation is not None:
        array = array.transpose(entry.permutation)
    if entry.scale is not None:
        array = quantise(array, entry, source.name)
    else:
        array = cast(array, target.dtype, source.name)
    if tuple(array.shape) != target.shape and _squeezed(array.shape) == _squeezed(target.shape):
        array = array.reshape(target.shape)
    _same_shape(array.shape, target)
    return np.array(array, order="C")  # not ascontiguousarray: that turns rank 0 into rank 1


def to_source(array: Any, entry: TensorMap) -> Any:  # noqa: ANN401 - numpy array
    """Bring an output of the artifact back into the source model's layout, and integers that stand for floats
    into floats; other values stay as they are."""
    import numpy as np

    if entry.scale is not None and array.dtype.kind in "iu":
        real = (array.astype(np.float64) - entry.zero_point) * entry.scale
        array = real.astype(entry.source.dtype)
    permutation = entry.permutation
    if permutation is not None and array.ndim == len(permutation):
        array = array.transpose(np.argsort(permutation))
    return array


def quantise(array: Any, entry: TensorMap, name: str) -> Any:  # noqa: ANN401 - numpy array
    """round(x / scale) + zero_point, half to even, clipped to the artifact's integers.

    So does TFLite's QUANTIZE. Raises JobError input.dtype for NaN, which no integer stands for, and for a
    scale that is none.
    """
    import numpy as np

    wanted = np.dtype(entry.artifact.dtype)
    scale = entry.scale or 0.0
    if wanted.kind not in "iu" or not scale > 0 or not np.isfinite(scale) or np.isnan(array).any():
        raise JobError(
            f"the input {name} cannot become {wanted} with the scale {scale:g}: it holds NaN, or the artifact"
            " is described wrongly",
            code="input.dtype",
            fix="use input values without NaN, or convert the model again",
        )
    limits = np.iinfo(wanted)
    steps = np.rint(array.astype(np.float64) / scale) + entry.zero_point
    return np.clip(steps, limits.min, limits.max).astype(wanted)


def cast(array: Any, dtype: str, name: str) -> Any:  # noqa: ANN401 - numpy array
    """``array`` as ``dtype``, refused (JobError input.dtype) where values would silently change.

    Floats may lose digits, as lower precision means to; they may not overflow. All else must survive.
    """
    import numpy as np

    wanted = np.dtype(dtype)
    if array.dtype == wanted:
        return array
    with np.errstate(all="ignore"):
        result = array.astype(wanted)
        if array.dtype.kind == "f" and wanted.kind == "f":
            kept = bool(np.array_equal(np.isfinite(array), np.isfinite(result)))
        else:
            kept = bool(np.array_equal(result.astype(array.dtype), array))
    if not kept:
        raise JobError(
            f"the input {name} holds {array.dtype} values that {dtype} cannot hold",
            code="input.dtype",
            fix=f"use input values that fit {dtype}, or a target that keeps {array.dtype}",
        )
    return result


def identity(specs: Sequence[TensorSpec]) -> Tuple[TensorMap, ...]:
    """Maps for an artifact that is its own source."""
    return tuple(TensorMap(spec, spec) for spec in specs)


def samples_in(data: Mapping[str, Any]) -> int:
    """How many samples the keys in.K.I name."""
    numbers = [key.split(".")[1] for key in data if key.startswith("in.") and key.count(".") == 2]
    return len({number for number in numbers if number.isdigit()})


def _same_shape(shape: Sequence[int], spec: TensorSpec) -> None:
    fits = len(shape) == len(spec.shape) and all(b in (-1, a) for a, b in zip(shape, spec.shape))
    if not fits:
        raise JobError(
            f"the input {spec.name} has the shape {list(shape)}, the model wants {list(spec.shape)}",
            code="input.shape",
            fix="give inputs of that shape",
        )


def _squeezed(shape: Sequence[int]) -> List[int]:
    return [size for size in shape if size != 1]
