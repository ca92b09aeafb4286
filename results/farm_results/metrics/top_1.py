"""Share of samples whose largest score is the label's; a sample with a NaN score is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_results.metrics import CLASSES
from farm_results.metrics.classes import chosen, scores_of

if TYPE_CHECKING:
    import numpy as np

LABELS, SHARE, LOWER_IS_BETTER = CLASSES, True, False


def statistics(outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1 for a hit, 0 for a miss. Raises JobError data.no-classes, UsageError data.labels."""
    import numpy as np

    return np.asarray(chosen(scores_of(outputs, labels)) == labels, float)


def value(rows: np.ndarray[Any, Any]) -> float:
    """Mean."""
    return float(rows.mean())
