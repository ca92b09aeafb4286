"""What every technique of one seed's run shares, whatever the framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from farm_agent.errors import JobError
from farm_converters.training.contract import Progress

S = TypeVar("S")


@dataclass
class Context(Generic[S]):
    """One seed's run; ``S``: the framework's kind of split. ``step`` counts from 0, the baseline.

    ``keep_zeros``: an earlier step pruned single weights; later training leaves them at 0. ``before_s``:
    seconds that the step was trained for before this process.
    """

    folder: Path
    workdir: Path
    seed: int
    metric: str
    splits: Mapping[str, S | None]
    progress: Progress
    recipe: Mapping[str, Any]
    step: int = 0
    name: str = "baseline"
    step_dir: Path = Path()
    phase: int = 0
    keep_zeros: bool = False
    before_s: float = 0.0
    epochs: list[dict[str, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def split(self, name: str) -> S:
        """A split that must be there."""
        found = self.splits[name]
        assert found is not None, name  # noqa: S101 - data.load lets only validation be None
        return found

    def begin(self, step: int, name: str, step_dir: Path) -> None:
        """Forget what belonged to the step before."""
        self.step, self.name, self.step_dir = step, name, step_dir
        self.phase, self.before_s, self.epochs, self.notes = 0, 0.0, [], []

    def went_on(self, epochs: list[dict[str, float]]) -> None:
        """Count the time of epochs that a checkpoint remembers."""
        self.before_s += sum(epoch["seconds"] for epoch in epochs)


def refuse_unvalidated(recipe: Mapping[str, Any], splits: Mapping[str, object]) -> None:
    """Raise JobError train.data where early stopping would have no split to look at."""
    stopping = [step["train"]["early_stopping_patience"] for step in recipe["steps"]]
    if splits["validation"] is None and any([recipe["train"]["early_stopping_patience"], *stopping]):
        raise JobError(
            "early stopping needs a validation split, and data('validation') returned None",
            code="train.data",
            fix="return (x, y) for 'validation', or leave early_stopping_patience out",
        )
