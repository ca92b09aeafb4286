"""Inside the sandbox: the inputs of the reference run, drawn from a seed or given by the user."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

SAMPLES = 2
MAX_USER_SAMPLES = 16
Sample = list["np.ndarray[Any, Any]"]


def seeded(request: dict[str, Any], inputs: list[dict[str, Any]], count: int = SAMPLES) -> list[Sample]:
    """Floats from U(-1, 1), integers 0 or 1 (valid as ids and as flags), bools: the same for ever."""
    import numpy as np

    generator = np.random.Generator(np.random.PCG64(int(request["seed"])))
    samples: list[Sample] = []
    for _ in range(count if inputs else 1):
        sample: Sample = []
        for item in inputs:
            kind, shape = np.dtype(item["dtype"]), tuple(item["shape"])
            floating = kind.kind == "f"
            drawn = np.asarray(
                generator.uniform(-1, 1, shape) if floating else generator.integers(0, 2, shape)
            )
            sample.append(drawn.astype(kind).reshape(shape))
        samples.append(sample)
    return samples


def user(request: dict[str, Any], inputs: list[dict[str, Any]]) -> list[Sample]:
    """The user's arrays: of an input's shape (one sample), or with a leading axis that counts samples."""
    import numpy as np

    if not request["inputs_path"]:
        return []
    path = Path(request["inputs_path"])
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in archive.files}
    except MemoryError:
        raise
    except Exception as error:
        raise _inputs(f"{path} cannot be read as .npz: {error}", "unreadable") from error
    names = {item["name"] for item in inputs}
    packed = [f"in.{i}" for i in range(len(inputs))]
    if set(arrays) == set(packed) != names:  # a packed calibration set
        arrays = {item["name"]: arrays[key] for key, item in zip(packed, inputs, strict=True)}
    if set(arrays) != names:
        missing, extra = sorted(names - set(arrays)), sorted(set(arrays) - names)
        what = f"no array for {', '.join(missing)}" if missing else f"no such input: {', '.join(extra)}"
        raise _inputs(f"{path}: {what}; the model's inputs are {', '.join(sorted(names))}", "names")
    counts = {_count(item, arrays[item["name"]]) for item in inputs}
    if len(counts - {None}) > 1 or (None in counts and len(counts) > 1):
        raise _inputs(f"{path}: the arrays hold different numbers of samples", "shape")
    if counts == {None}:
        return [[arrays[item["name"]] for item in inputs]]
    total = counts.pop() or 0
    return [
        [arrays[item["name"]][k] for item in inputs]
        for k in range(min(total, int(request.get("max_samples") or MAX_USER_SAMPLES)))
    ]


def _count(item: dict[str, Any], array: np.ndarray[Any, Any]) -> int | None:
    """Samples in ``array``; None when it is exactly one of the input's shape."""
    shape = tuple(item["shape"])
    if str(array.dtype) != item["dtype"]:
        raise _inputs(f"{item['name']} is {array.dtype}; the model takes {item['dtype']}", "dtype")
    if array.shape == shape:
        return None
    if array.ndim == len(shape) + 1 and array.shape[1:] == shape and array.shape[0] > 0:
        return int(array.shape[0])
    raise _inputs(f"{item['name']} has the shape {array.shape}; the model takes {shape}", "shape")


def _inputs(message: str, kind: str) -> UsageError:
    return UsageError(
        message,
        code=f"inputs.{kind}",
        fix="give an .npz with one array per input; farm inspect MODEL lists names, types and shapes",
    )
