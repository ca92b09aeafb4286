"""Optuna studies on disk, as ``farm tune`` and ``farm search`` keep them: every score lies with its trial."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm.errors import UsageError
from farm.tune import score as scores
from farm.tune.goals import Constraint, Metric
from farm.tune.score import Score, Value
from farm_agent.codec import DecodeError

if TYPE_CHECKING:
    import optuna

STARTUP_TRIALS = 8


def open_study(
    path: Path,
    name: str,
    *,
    identity: str,
    goals: Sequence[Metric],
    constraints: Sequence[Constraint],
    seed: int,
) -> optuna.Study:
    """The study ``name`` in the SQLite file ``path``, made when it is not there; trials that a killed farm
    left open are closed. Raises UsageError tune.needs-optuna, tune.corrupt, tune.other-study."""
    library = import_optuna()

    def broken_by(trial: Any) -> Sequence[float]:  # noqa: ANN401 - optuna.trial.FrozenTrial
        """Zero or less where a constraint holds; judged anew, so that constraints may change."""
        if "score" not in trial.user_attrs:
            return [1.0] * len(constraints)
        kept = decode(trial.user_attrs["score"], name)
        return [scores.excess(kept, [one]) for one in constraints]

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sampler = library.samplers.TPESampler(
            n_startup_trials=STARTUP_TRIALS,
            multivariate=True,
            group=True,
            constant_liar=True,
            seed=seed,
            constraints_func=broken_by if constraints else None,
        )
    try:
        study: optuna.Study = library.create_study(
            study_name=name,
            storage=library.storages.RDBStorage(f"sqlite:///{path}"),
            sampler=sampler,
            load_if_exists=True,
            directions=["minimize"] * len(goals),
        )
    except Exception as error:
        raise _corrupt(str(path), str(error)) from error
    if study.user_attrs.get("identity", identity) != identity:
        raise UsageError(
            f"the study {path.stem} is of another question: its model or code, device, runtimes or "
            "objectives are not those of now",
            code="tune.other-study",
            fix="choose another --study NAME, or leave it out: every question has a study of its own",
        )
    study.set_user_attr("identity", identity)
    _close_open(study)
    return study


def close(
    study: optuna.Study, trial: optuna.Trial, score: Score, values: Sequence[Value | None], **attrs: str
) -> None:
    """Keep a trial's score and ``attrs``, then end it with ``values``: the goals' costs, in their order."""
    for name, text in attrs.items():
        trial.set_user_attr(name, text)
    trial.set_user_attr("score", score.document)
    known = [value.value for value in values if value is not None]
    if score.usable and len(known) == len(values):
        study.tell(trial, known)
    else:
        drop(study, trial)


def drop(study: optuna.Study, trial: optuna.Trial | int) -> None:
    """End a trial, by itself or by its number, that has no values."""
    study.tell(trial, state=import_optuna().trial.TrialState.FAIL)


def decode(document: object, study: str) -> Score:
    """A score as it was kept. Raises UsageError tune.corrupt."""
    try:
        return scores.decode(document)
    except DecodeError as error:
        raise _corrupt(study, str(error)) from error


def _close_open(study: optuna.Study) -> None:
    """Trials that a killed farm left open, or announced and never began, count as never tried."""
    states = import_optuna().trial.TrialState
    for trial in study.get_trials(deepcopy=False, states=(states.RUNNING,)):
        drop(study, trial.number)
    for _ in study.get_trials(deepcopy=False, states=(states.WAITING,)):
        drop(study, study.ask())  # the next to be asked is one that waits


def _corrupt(study: str, why: str) -> UsageError:
    return UsageError(
        f"the study {study} cannot be read: {why.splitlines()[0][:200] if why else ''}",
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
