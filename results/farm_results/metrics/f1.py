"""F1 of each class, averaged over the classes (macro): F1 = 2 TP / (2 TP + FP + FN).

C. J. van Rijsbergen, Information Retrieval, 2nd ed. (1979), chapter 7; the plain mean over all classes that
occur among the labels or the answers. A sample with a NaN score counts as a miss of its class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from farm_results.metrics import CLASSES
from farm_results.metrics.classes import chosen, scores_of

if TYPE_CHECKING:
    import numpy as np

LABELS, SHARE, LOWER_IS_BETTER = CLASSES, False, False


def statistics(outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """[N, 2]: the class answered, and the label. Raises JobError data.no-classes, UsageError data.labels."""
    import numpy as np

    return np.stack([chosen(scores_of(outputs, labels)), labels], axis=1).astype(float)


def value(rows: np.ndarray[Any, Any]) -> float:
    """Macro F1 over these rows."""
    import numpy as np

    answered, labels = rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64)
    size = int(max(answered.max(), labels.max())) + 1
    hits = np.bincount(labels[answered == labels], minlength=size)
    total = np.bincount(labels, minlength=size) + np.bincount(answered[answered >= 0], minlength=size)
    occurring = total > 0
    return float((2 * hits[occurring] / total[occurring]).mean())
