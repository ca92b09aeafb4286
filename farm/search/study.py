"""The candidates of a search on disk, and Optuna's choices for the next one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import UsageError
from farm.tune import score as scores
from farm.tune.goals import Constraint, Metric
from farm.tune.score import Score, cost
from farm.tune.study import STARTUP_TRIALS, import_optuna
from farm_agent.codec import DecodeError

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
        self._optuna = import_optuna()
        self._goals, self._constraints = tuple(goals), tuple(constraints)
        library = self._optuna
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self._random = library.samplers.RandomSampler(seed=seed)
            self._sampler = library.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS,
                multivariate=True,
                group=True,
                seed=seed,
                constraints_func=self._broken if self._constraints else None,
            )
        try:
            self._study: optuna.Study = library.create_study(
                study_name="search",
                storage=library.storages.RDBStorage(f"sqlite:///{path}"),
                sampler=self._sampler,
                load_if_exists=True,
                directions=["minimize"] * len(self._goals),
            )
        except Exception as error:
            raise _corrupt(path, str(error)) from error
        if self._study.user_attrs.get("identity", identity) != identity:
            raise UsageError(
                f"the study {path.stem} is of other code, another device or another objective",
                code="tune.other-study",
                fix="choose another --study NAME, or leave it out: every question has a study of its own",
            )
        self._study.set_user_attr("identity", identity)
        self._fail = library.trial.TrialState.FAIL
        running = library.trial.TrialState.RUNNING
        for trial in self._study.get_trials(deepcopy=False, states=(running,)):
            self._study.tell(trial.number, state=self._fail)  # a killed search left it open

    def kept(self) -> list[Kept]:
        """Every candidate that ended, in order."""
        found = []
        for trial in self._study.get_trials(deepcopy=False):
            attrs = trial.user_attrs
            if "score" in attrs:
                score = self._decode(attrs["score"])
                found.append(Kept(trial.number, str(attrs["key"]), score, str(attrs.get("file", ""))))
        return found

    def begin(self, *, at_random: bool = False) -> optuna.Trial:
        """A new candidate; ``at_random``: chosen without Optuna's model, which repeats what it likes."""
        self._study.sampler = self._random if at_random else self._sampler
        return self._study.ask()

    def drop(self, trial: optuna.Trial) -> None:
        """One that repeats another."""
        self._study.tell(trial, state=self._fail)

    def end(self, trial: optuna.Trial, key: str, score: Score, file: str = "") -> None:
        """Keep what became of a candidate."""
        trial.set_user_attr("key", key)
        trial.set_user_attr("file", file)
        trial.set_user_attr("score", score.document)
        values = [cost(score, goal) for goal in self._goals]
        if score.usable and all(value is not None for value in values):
            self._study.tell(trial, [value.value for value in values if value is not None])
        else:
            self._study.tell(trial, state=self._fail)

    def _broken(self, trial: Any) -> Sequence[float]:  # noqa: ANN401 - optuna.trial.FrozenTrial
        if "score" not in trial.user_attrs:
            return [1.0] * len(self._constraints)
        kept = self._decode(trial.user_attrs["score"])
        return [scores.excess(kept, [one]) for one in self._constraints]

    def _decode(self, document: object) -> Score:
        try:
            return scores.decode(document)
        except DecodeError as error:
            raise _corrupt(Path(self._study.study_name), str(error)) from error


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


def _corrupt(path: Path, why: str) -> UsageError:
    return UsageError(
        f"the study {path} cannot be read: {why.splitlines()[0][:200] if why else ''}",
        code="tune.corrupt",
        fix="remove that file, or choose another --study NAME",
    )
