"""Ways from samples as they lie in files to a model's input: files named after them, listed by name.

A file provides ``apply(sample, target)``, which returns the input's array. Without a name nothing is changed:
type and shape must be the model's own. ``module:function`` and ``file.py:function`` are the user's own; they
run in a process of their own (see ``custom``).
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from farm_agent.errors import UsageError

if TYPE_CHECKING:
    import numpy as np

_HELPERS = ("__init__", "custom", "pixels", "placing")


@dataclass(frozen=True)
class Sample:
    """One sample as read. ``picture``: [H, W] or [H, W, 3] uint8 of an image file. ``where``: for messages.
    ``extras``: other arrays of its file, by name."""

    array: np.ndarray[Any, Any]
    picture: bool = False
    where: str = ""
    extras: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """What the model takes: ``shape`` of one sample, without the batch."""

    name: str
    dtype: str
    shape: tuple[int, ...]


class Unfit(Exception):
    """A sample that cannot become the input; ``kind`` is the second half of the error's code."""

    def __init__(self, kind: str, what: str, fix: str) -> None:
        super().__init__(what)
        self.kind, self.what, self.fix = kind, what, fix


class Preprocess(Protocol):
    """What a file must provide."""

    def apply(self, sample: Sample, target: Target) -> np.ndarray[Any, Any]:
        """The input's array, of the target's type and shape. Raises Unfit."""


def names() -> tuple[str, ...]:
    """Every name there is, without importing any."""
    found = {path.stem for path in Path(__file__).parent.glob("*.py")}
    return tuple(sorted(found - set(_HELPERS)))


def is_custom(name: str) -> bool:
    """Whether it is ``module:function`` or ``file.py:function``."""
    return ":" in name


def load(name: str) -> Preprocess:
    """The file of that name. Raises UsageError data.preprocess."""
    if name not in names():
        raise UsageError(
            f"no preprocess is called {name!r}; there are {', '.join(names())}",
            code="data.preprocess",
            fix="choose one of them, or name your own: --preprocess FILE.py:FUNCTION",
        )
    return cast("Preprocess", importlib.import_module(f"farm_converters.preprocess.{name}"))
