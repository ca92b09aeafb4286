"""A study on disk: what was tried on one device, and Optuna's advice on what to try next.

One SQLite file per study in the state folder, one Optuna study in it per device. Every score lies with
its trial, so that a study that was killed goes on where it stood.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from farm.errors import InfrastructureError, UsageError
from farm.tune import trials
from farm.tune.goals import Constraint, Metric
from farm.tune.score import STAGES, Score, Value, cost
from farm.tune.space import Point, Space

if TYPE_CHECKING:
    import optuna

REPEATS = 4
LOOK = "look:"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def file_of(state_dir: Path, name: str, identity: str) -> Path:
    """Where a study lies. Raises UsageError tune.study-name."""
    if name and not _NAME.fullmatch(name):
        raise UsageError(
            f"--study {name!r} is no name",
            code="tune.study-name",
            fix="use letters, digits, dots, dashes and underscores",
        )
    return state_dir / "tune" / f"{name or identity[:16]}.db"


@contextlib.contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep others out of a study meanwhile. Raises InfrastructureError tune.busy, host.not-writable."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.with_suffix(".lock").open("a")
    except OSError as error:
        raise InfrastructureError(
            f"cannot write to {path.parent}: {error.strerror}",
            code="host.not-writable",
            fix="choose another folder with FARM_STATE_DIR",
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InfrastructureError(
                f"another farm tune works on the study {path.stem}",
                code="tune.busy",
                fix="wait until it ends, or start one of its own with --study NAME",
            ) from error
        yield


class Study:
    """The trials of one device. Raises UsageError tune.other-study, tune.needs-optuna, tune.corrupt."""

    def __init__(
        self,
        path: Path,
        space: Space,
        *,
        identity: str,
        goals: Sequence[Metric],
        constraints: Sequence[Constraint],
        seed: int = 0,
    ) -> None:
        self.space = space
        self._goals = tuple(goals)
        self.by_key = {point.key: point for point in space.points}
        self._random = random.Random(seed)  # noqa: S311 - which configuration comes next is no secret
        self._study = trials.open_study(
            path, space.device.name, identity=identity, goals=goals, constraints=constraints, seed=seed
        )
        self._live: dict[str, optuna.Trial] = {}
        # What failed for a passing reason in an earlier call is tried again in this one.
        self._passed = {score.job_id for _, score in self._told() if score.passing}

    def scores(self) -> dict[str, Score]:
        """The most careful score of every point that has one, by key."""
        found: dict[str, Score] = {}
        for key, score in self._told():
            last = found.get(key)
            earlier = last is not None and STAGES.index(last.stage) > STAGES.index(score.stage)
            if key in self.by_key and score.job_id not in self._passed and not earlier:
                found[key] = score
        return found

    def history(self) -> list[Score]:
        """Every score that there ever was: the record of device time."""
        return [score for _, score in self._told()]

    def _told(self) -> Iterator[tuple[str, Score]]:
        """Keys with scores: of the trials first, then of the closer looks, each in the order they came."""
        name = self._study.study_name
        for trial in self._study.get_trials(deepcopy=False):
            if "score" in trial.user_attrs:
                yield str(trial.user_attrs["key"]), trials.decode(trial.user_attrs["score"], name)
        for attribute, kept in self._study.user_attrs.items():
            if attribute.startswith(LOOK):
                yield str(kept["key"]), trials.decode(kept["score"], name)

    def ask(self, count: int, *, in_order: bool = False) -> list[Point]:
        """Up to ``count`` points never tried before, in this study or by this call; ``in_order``: the first
        ones of the space, for when all of them will be tried."""
        rest = self._rest()
        if in_order or len(rest) <= count:
            return [self._begin(point) for point in rest[:count]]
        return [point for point in (self._next() for _ in range(count)) if point is not None]

    def tell(self, point: Point, score: Score) -> None:
        """Keep the score of a point that ``ask`` gave."""
        values = [self._steer(score, goal) for goal in self._goals]
        trials.close(self._study, self._live.pop(point.key), score, values)

    def look(self, point: Point, score: Score) -> None:
        """Keep the score of a closer look at a point that was told before."""
        self._study.set_user_attr(f"{LOOK}{score.job_id}", {"key": point.key, "score": score.document})

    def _next(self) -> Point | None:
        """Optuna's next point; a random one of the rest when it repeats itself."""
        for _ in range(REPEATS):
            trial = self._study.ask()
            point = self._suggested(trial)
            if point is not None and point.key not in self._seen():
                return self._claim(trial, point)
            trials.drop(self._study, trial)
        rest = self._rest()
        return self._begin(self._random.choice(rest)) if rest else None

    def _rest(self) -> list[Point]:
        seen = self._seen()
        return [point for point in self.space.points if point.key not in seen]

    def _begin(self, point: Point) -> Point:
        """Have Optuna know of a point that it did not choose."""
        self._study.enqueue_trial(point.params)
        trial = self._study.ask()
        self._suggested(trial)
        return self._claim(trial, point)

    def _claim(self, trial: optuna.Trial, point: Point) -> Point:
        trial.set_user_attr("key", point.key)
        self._live[point.key] = trial
        return point

    def _suggested(self, trial: optuna.Trial) -> Point | None:
        choices = self.space.choices()
        way = trial.suggest_categorical("way", choices["way"])
        names = (f"precision of {way}", "threads", "batch")
        params = {"way": way, **{name: trial.suggest_categorical(name, choices[name]) for name in names}}
        return next((point for point in self.space.points if point.params == params), None)

    def _seen(self) -> set[str]:
        return set(self.scores()) | set(self._live)

    def _steer(self, score: Score, goal: Metric) -> Value | None:
        """What Optuna is told: energy is not measured in a quick look, where time stands in for it."""
        value = cost(score, goal)
        return score.values.get("latency") if value is None and goal.name == "energy" else value
