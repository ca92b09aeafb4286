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
    outside = (labels < 0) | (labels >= scores.shape[1])
    if outside.any():
        where = int(outside.argmax())
        raise UsageError(
            f"sample {where} has the label {int(labels[where])}; the model has scores for the classes 0 to "
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
