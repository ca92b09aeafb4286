"""Scores per class beside their labels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_agent import collect
from farm_agent.errors import UsageError

if TYPE_CHECKING:
    import numpy as np


def scores_of(outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[N, classes] of the first output that holds them. Raises JobError data.no-classes, UsageError
    data.labels when a label has no score."""
    import numpy as np

    scores = collect.class_scores(outputs)
    most = int(labels.max()) if len(labels) else 0
    if most >= scores.shape[1]:
        raise UsageError(
            f"sample {int(labels.argmax())} has the label {most}; the model has scores for the classes 0 to "
            f"{scores.shape[1] - 1}",
            code="data.labels",
            fix="label with the numbers that the network was trained with",
        )
    return np.asarray(scores)


def chosen(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The first class with the largest score; -1 where a score is NaN."""
    import numpy as np

    lost = np.isnan(scores.astype(np.float64)).any(axis=1)
    return np.where(lost, -1, scores.argmax(axis=1))
