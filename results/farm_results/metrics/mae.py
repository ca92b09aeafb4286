"""Mean absolute error of a regression, over samples and, within a sample, over its values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.metrics import VALUES

if TYPE_CHECKING:
    import numpy as np

LABELS, SHARE, LOWER_IS_BETTER = VALUES, False, True


def statistics(outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[N]: mean |output - label| of each sample, of the first output that has the labels' shape.

    Raises UsageError data.labels when none has.
    """
    import numpy as np

    wanted = [size for size in labels.shape[1:] if size != 1]
    for output in outputs:
        if [size for size in output.shape[1:] if size != 1] == wanted and output.dtype.kind in "fiu":
            with np.errstate(all="ignore"):
                error = np.abs(output.astype(np.float64).reshape(len(labels), -1) - _flat(labels))
            return np.asarray(error.mean(axis=1))
    shapes = ", ".join(str(list(output.shape[1:])) for output in outputs)
    raise UsageError(
        f"a label has the shape {list(labels.shape[1:])}; the model's outputs are {shapes}",
        code="data.labels",
        fix="give one label per value of an output; class numbers, as integers, go with --metric top-1",
    )


def _flat(labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    return labels.astype(np.float64).reshape(len(labels), -1)


def value(rows: np.ndarray[Any, Any]) -> float:
    """Mean."""
    return float(rows.mean())
