"""Share of samples whose label is among the five largest scores; a sample with a NaN score is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_agent.errors import UsageError
from farm_results.metrics import CLASSES
from farm_results.metrics.classes import chosen, scores_of

if TYPE_CHECKING:
    import numpy as np

LABELS, SHARE, LOWER_IS_BETTER = CLASSES, True, False
MANY = 5


def statistics(outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """1 for a hit, 0 for a miss; of equal scores the earlier class counts first, as in top-1.

    Raises UsageError data.metric when there are five classes or fewer, data.labels; JobError data.no-classes.
    """
    import numpy as np

    scores = scores_of(outputs, labels)
    if scores.shape[1] <= MANY:
        raise UsageError(
            f"the model has {scores.shape[1]} classes: every label is among the first five",
            code="data.metric",
            fix="use --metric top-1",
        )
    own = scores[np.arange(len(labels)), labels][:, None]
    before = np.arange(scores.shape[1])[None] < labels[:, None]
    rank = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return np.asarray((rank < MANY) & (chosen(scores) >= 0), float)


def value(rows: np.ndarray[Any, Any]) -> float:
    """Mean."""
    return float(rows.mean())
