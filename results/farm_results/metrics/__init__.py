"""Metrics over a labelled data set: files named after them, listed by file name.

A file provides ``statistics(outputs, labels)``, one row per sample, and ``value(rows)``, the metric over any
choice of these rows, so that intervals can be found by resampling the samples.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from farm_agent.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_HELPERS = ("__init__", "classes")
CLASSES, VALUES = "classes", "values"


class Metric(Protocol):
    """``LABELS``: what it compares with, classes or values. ``SHARE``: ``value`` is the mean of ones and
    zeros, so that exact methods for shares hold. ``LOWER_IS_BETTER``: an error, not a success."""

    LABELS: str
    SHARE: bool
    LOWER_IS_BETTER: bool

    def statistics(
        self, outputs: Sequence[np.ndarray[Any, Any]], labels: np.ndarray[Any, Any]
    ) -> np.ndarray[Any, Any]:
        """[N] or [N, k] float64 of out.J [N, ...] and labels [N, ...]. Raises UsageError data.metric,
        data.labels; JobError data.no-classes."""

    def value(self, rows: np.ndarray[Any, Any]) -> float:
        """Over some of the rows; NaN when one of them is."""


def names() -> tuple[str, ...]:
    """Every metric as users write it: f1, mae, top-1, top-5."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(name.replace("_", "-") for name in found - set(_HELPERS)))


def is_custom(name: str) -> bool:
    """Whether it is ``module:function`` or ``file.py:function``."""
    return ":" in name


def load(name: str) -> Metric:
    """The metric of that name. Raises UsageError data.metric."""
    if name not in names():
        raise UsageError(
            f"no metric is called {name!r}; there are {', '.join(names())}",
            code="data.metric",
            fix="choose one of them, or name your own: --metric FILE.py:FUNCTION",
        )
    return cast("Metric", importlib.import_module(f"farm_results.metrics.{name.replace('-', '_')}"))


def choose(asked: str, labels: str) -> str:
    """The name asked for, or the usual one for these labels: top-1 for classes, mae for values, "" for none.

    Raises UsageError data.metric for a name that there is not, or that does not fit the labels.
    """
    if not labels:
        if asked:
            raise UsageError(
                f"{asked} needs labels, and the data set has none",
                code="data.metric",
                fix="add labels, or leave --metric out: outputs are then compared with the source model's",
            )
        return ""
    if not asked:
        return "top-1" if labels == CLASSES else "mae"
    if is_custom(asked):
        return asked
    metric = load(asked)
    if metric.LABELS == CLASSES and labels != CLASSES:
        raise UsageError(
            f"{asked} compares classes; the labels are floats, the values of a regression",
            code="data.metric",
            fix="use --metric mae, or save class numbers as integers: labels.astype('int64')",
        )
    return asked
