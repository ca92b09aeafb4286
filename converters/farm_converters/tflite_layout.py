"""Inside the sandbox: orders of axes between a source network and the .tflite that came of it."""

from __future__ import annotations

import itertools
from typing import Any

from farm_agent.errors import JobError

MAX_PERMUTED_RANK = 5


def only_permutation(source: list[int], artifact: list[int]) -> list[int] | None:
    """The axes when just one order of ``source`` gives ``artifact``. None for a plain reshape."""
    fits = [
        list(axes)
        for axes in itertools.permutations(range(len(source)))
        if [source[axis] for axis in axes] == artifact
    ]
    return fits[0] if len(fits) == 1 else None


def permutations(
    request: dict[str, Any],
    interpreter: Any,  # noqa: ANN401 - Interpreter
    inputs: list[dict[str, Any]],
    outputs: list[Any],
) -> tuple[list[list[int] | None], bool]:
    """The order of axes of each output, found by comparing numbers with the source's on sample 0; and
    whether the numbers agree then."""
    import numpy as np

    with np.load(request["golden"], allow_pickle=False) as golden:
        sample = [golden[f"in.0.{i}"] for i in range(len(request["inputs"]))]
        wanted = [golden[f"out.0.{j}"] for j in range(len(request["outputs"]))]
    details = {detail["name"]: detail for detail in interpreter.get_input_details()}
    for item, array in zip(inputs, sample, strict=True):
        detail = details.get(item["name"])
        if detail is not None:
            interpreter.set_tensor(detail["index"], placed(array, item))
    try:
        interpreter.invoke()
    except (RuntimeError, ValueError) as error:
        text = " ".join(str(error).split())[:300]
        raise JobError(
            f"LiteRT cannot run the file that onnx2tf made: {text}", code="convert.unsupported"
        ) from error
    results = [interpreter.get_tensor(detail["index"]) for detail in outputs]
    found = [best_axes(got, want) for got, want in zip(results, wanted, strict=True)]
    moved = (want if axes is None else want.transpose(axes) for want, axes in zip(wanted, found, strict=True))
    return found, all(_agree(got, want) for got, want in zip(results, moved, strict=True))


def _agree(got: Any, want: Any) -> bool:  # noqa: ANN401 - numpy arrays
    import numpy as np

    if got.size != want.size:
        return False
    largest = float(np.nanmax(np.abs(want.astype(np.float64)))) if want.size else 0.0
    return bool(
        np.allclose(got.reshape(want.shape), want, rtol=0.0, atol=1e-4 + 1e-3 * largest, equal_nan=True)
    )


def placed(array: Any, item: dict[str, Any]) -> Any:  # noqa: ANN401 - numpy arrays
    """A sample of the source in the artifact's layout and type."""
    moved = array if item["permutation"] is None else array.transpose(item["permutation"])
    # copy(), because ascontiguousarray would turn rank 0 into rank 1
    return moved.astype(item["dtype"]).reshape(item["shape"]).copy(order="C")


def best_axes(got: Any, want: Any) -> list[int] | None:  # noqa: ANN401 - numpy arrays
    import numpy as np

    if got.shape == want.shape and (
        got.size < 2 or np.allclose(got, want, atol=1e-3, rtol=1e-2, equal_nan=True)
    ):
        return None
    if got.ndim != want.ndim or not 2 <= got.ndim <= MAX_PERMUTED_RANK:
        return None
    best: tuple[float, list[int] | None] = (float("inf"), None)
    for axes in itertools.permutations(range(want.ndim)):
        moved = want.transpose(axes)
        if moved.shape == got.shape:
            error = float(np.nanmax(np.abs(moved.astype(np.float64) - got))) if got.size else 0.0
            if error < best[0]:
                best = (error, None if list(axes) == sorted(axes) else list(axes))
    return best[1]
