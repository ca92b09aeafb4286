"""The candidates of a search on disk, and Optuna's choices for the next one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.tune import trials
from farm.tune.goals import Constraint, Metric
from farm.tune.score import Score, cost

if TYPE_CHECKING:
    import optuna

MOST_CHOICES = 1000


@dataclass(frozen=True)
class Kept:
    """A candidate that ended. ``key``: its choices in words; ``file``: its ONNX file's name, if any."""

    number: int
    key: str
    score: Score
    file: str


class Study:
    """One Optuna study in one SQLite file. Raises UsageError tune.other-study, tune.corrupt."""

    def __init__(
        self,
        path: Path,
        *,
        identity: str,
        goals: Sequence[Metric],
        constraints: Sequence[Constraint],
        seed: int,
    ) -> None:
        self._goals = tuple(goals)
        self._study = trials.open_study(
            path, "search", identity=identity, goals=goals, constraints=constraints, seed=seed
        )
        self._advised, self._random = self._study.sampler, trials.import_optuna().samplers.RandomSampler(seed)

    def kept(self) -> list[Kept]:
        """Every candidate that ended, in order."""
        found = []
        for trial in self._study.get_trials(deepcopy=False):
            attrs = trial.user_attrs
            if "score" in attrs:
                score = trials.decode(attrs["score"], self._study.study_name)
                found.append(Kept(trial.number, str(attrs["key"]), score, str(attrs.get("file", ""))))
        return found

    def begin(self, *, at_random: bool = False) -> optuna.Trial:
        """A new candidate; ``at_random``: chosen without Optuna's model, which repeats what it likes."""
        self._study.sampler = self._random if at_random else self._advised
        return self._study.ask()

    def drop(self, trial: optuna.Trial) -> None:
        """One that repeats another."""
        trials.drop(self._study, trial)

    def end(self, trial: optuna.Trial, key: str, score: Score, file: str = "") -> None:
        """Keep what became of a candidate."""
        values = [cost(score, goal) for goal in self._goals]
        trials.close(self._study, trial, score, values, key=key, file=file)


def suggest(trial: optuna.Trial, words: Mapping[str, Any]) -> int | float:
    """Answer one question of the user's build function: a number, or the index of a choice.

    Raises ValueError and TypeError for a question that makes no sense.
    """
    kind, name = words["kind"], str(words["name"])
    if kind == "categorical":
        choices = [str(one) for one in words["choices"]]
        if not 0 < len(choices) <= MOST_CHOICES:
            raise ValueError(f"{name}: expected 1 to {MOST_CHOICES} choices")
        if len(set(choices)) < len(choices):
            raise ValueError(f"{name}: two choices look alike")
        return choices.index(trial.suggest_categorical(name, choices))
    if kind == "int":
        low, high, step = int(words["low"]), int(words["high"]), int(words["step"])
        return trial.suggest_int(name, low, high, step=step, log=bool(words["log"]))
    step_or_none = None if words["step"] is None else float(words["step"])
    low_value, high_value = float(words["low"]), float(words["high"])
    return trial.suggest_float(name, low_value, high_value, step=step_or_none, log=bool(words["log"]))


def key_of(params: Mapping[str, Any]) -> str:
    """A candidate's choices in words."""
    return ", ".join(f"{name}={value}" for name, value in params.items()) or "no choices"
