"""A study on disk: what was tried on one device, and Optuna's advice on what to try next.

One SQLite file per study in the state folder, one Optuna study in it per device. Every score lies with
its trial, so that a study that was killed goes on where it stood.
"""

from __future__ import annotations

import contextlib
import fcntl
import random
import re
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import InfrastructureError, UsageError
from farm.tune import score as scores
from farm.tune.goals import Constraint, Metric
from farm.tune.score import Score, cost
from farm.tune.space import Point, Space
from farm_agent.codec import DecodeError

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 8
REPEATS = 4
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
        self._constraints = tuple(constraints)
        self.by_key = {point.key: point for point in space.points}
        self._random = random.Random(seed)  # noqa: S311 - which configuration comes next is no secret
        self._optuna = import_optuna()
        self._study = self._open(path, seed)
        known = self._study.user_attrs.get("identity", identity)
        if known != identity:
            raise UsageError(
                f"the study {path.stem} is of another model, device, space or objective",
                code="tune.other-study",
                fix="choose another --study NAME, or leave it out: every question has a study of its own",
            )
        self._study.set_user_attr("identity", identity)
        self._live: dict[str, optuna.Trial] = {}
        self._close_stale()

    def scores(self) -> dict[str, Score]:
        """The latest score of every point that has one, by key."""
        found: dict[str, Score] = {}
        for trial in self._study.get_trials(deepcopy=False):
            key = trial.user_attrs.get("key")
            if key in self.by_key and "score" in trial.user_attrs:
                found[key] = self._decode(trial.user_attrs["score"])
        for name, document in self._study.user_attrs.items():
            if name.startswith("look:"):
                _, key = name.split(":", 1)
                if key in self.by_key:
                    found[key] = self._decode(document)
        return found

    def history(self) -> list[dict[str, Any]]:
        """Every score there ever was, in order, with its key: the record of device time."""
        return list(self._study.user_attrs.get("history", []))

    def ask(self, count: int, *, in_order: bool = False) -> list[Point]:
        """Up to ``count`` points never tried before, in this study or by this call; ``in_order``: the first
        ones of the space, for when all of them will be tried."""
        rest = self._rest()
        if in_order or len(rest) <= count:
            return [self._begin(point) for point in rest[:count]]
        return [point for point in (self._next() for _ in range(count)) if point is not None]

    def tell(self, point: Point, score: Score) -> None:
        """Keep the score of a point that ``ask`` gave."""
        self._remember(point.key, score)
        trial = self._live.pop(point.key, None)
        if trial is None:
            return
        trial.set_user_attr("score", score.document)
        values = [self._steer(score, goal) for goal in self._goals]
        if score.usable and all(value is not None for value in values):
            self._study.tell(trial, [value for value in values if value is not None])
        else:
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)

    def look(self, point: Point, score: Score) -> None:
        """Keep the score of a closer look at a point that was told before."""
        self._remember(point.key, score)
        self._study.set_user_attr(f"look:{point.key}", score.document)

    def _remember(self, key: str, score: Score) -> None:
        entry = {"key": key, "stage": score.stage, "device_s": score.device_s, "job_id": score.job_id}
        self._study.set_user_attr("history", [*self.history(), entry])

    def _next(self) -> Point | None:
        """Optuna's next point; a random one of the rest when it repeats itself."""
        for _ in range(REPEATS):
            trial = self._study.ask()
            point = self._suggested(trial)
            if point is not None and point.key not in self._seen():
                return self._claim(trial, point)
            self._study.tell(trial, state=self._optuna.trial.TrialState.FAIL)
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
        tried = {
            str(trial.user_attrs["key"])
            for trial in self._study.get_trials(deepcopy=False)
            if "score" in trial.user_attrs
        }
        return tried | set(self._live)

    def _steer(self, score: Score, goal: Metric) -> float | None:
        """What Optuna is told: energy is not measured in a quick look, where time stands in for it."""
        value = cost(score, goal)
        if value is None and goal.name == "energy":
            value = score.values.get("latency")
        return None if value is None else value.value

    def _close_stale(self) -> None:
        """Trials that a killed farm left open count as never tried."""
        running = self._optuna.trial.TrialState.RUNNING
        for trial in self._study.get_trials(deepcopy=False, states=(running,)):
            self._study.tell(trial.number, state=self._optuna.trial.TrialState.FAIL)

    def _open(self, path: Path, seed: int) -> optuna.Study:
        library = self._optuna

        def broken_by(trial: Any) -> Sequence[float]:  # noqa: ANN401 - optuna.trial.FrozenTrial
            """Zero or less where a constraint holds; judged anew, so that constraints may change."""
            kept = self._decode(trial.user_attrs["score"]) if "score" in trial.user_attrs else None
            if kept is None:
                return [1.0] * len(self._constraints)
            return [scores.excess(kept, [one]) for one in self._constraints]

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            sampler = library.samplers.TPESampler(
                n_startup_trials=STARTUP_TRIALS,
                multivariate=True,
                group=True,
                constant_liar=True,
                seed=seed,
                constraints_func=broken_by if self._constraints else None,
            )
        try:
            storage = library.storages.RDBStorage(f"sqlite:///{path}")
            study: optuna.Study = library.create_study(
                study_name=self.space.device.name,
                storage=storage,
                sampler=sampler,
                load_if_exists=True,
                directions=["minimize"] * len(self._goals),
            )
        except Exception as error:
            raise _corrupt(path, error) from error
        return study

    def _decode(self, document: object) -> Score:
        try:
            return scores.decode(document)
        except DecodeError as error:
            raise _corrupt(Path(self._study.study_name), error) from error


def _corrupt(path: Path, error: Exception) -> UsageError:
    return UsageError(
        f"the study {path} cannot be read: {str(error).splitlines()[0][:200]}",
        code="tune.corrupt",
        fix="remove that file, or choose another --study NAME",
    )


def import_optuna() -> Any:  # noqa: ANN401 - the module, imported on use
    """Optuna, silent. Raises UsageError tune.needs-optuna."""
    try:
        import optuna
    except ImportError as error:
        raise UsageError(
            "choosing what to measure next needs Optuna, which is not installed",
            code="tune.needs-optuna",
            fix="pip install 'edgefarm[tune]'",
        ) from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", module=r"optuna\..*")
    return optuna
