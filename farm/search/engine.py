"""``farm search`` as a library: propose, measure on the device, train what may win, keep everything."""

from __future__ import annotations

import hashlib
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from farm import benchmark
from farm.config import Config
from farm.errors import FarmError, InfrastructureError, JobError, UsageError
from farm.progress import Reporter
from farm.search import study as studies
from farm.search.study import Kept, Study
from farm.search.talk import Code, candidate
from farm.tune import study as tune_studies
from farm.tune import trials
from farm.tune.front import surely_broken
from farm.tune.goals import Question
from farm.tune.score import STAGES, Score, Value, score_of
from farm_agent import codec
from farm_converters import external
from farm_results.model import Result

PATIENCE = 2  # proposals that repeat others before the next ones are drawn at random
REPEATS = 12  # proposals in a row that were there before: the space is exhausted


@dataclass(frozen=True, kw_only=True)
class Wish(Question):
    """``request``: device and targets; its models are the candidates. ``time_s``: no new one after that."""

    code: Code


@dataclass(frozen=True)
class Outcome:
    """All candidates of the study so far. ``folder``: where their ONNX files lie."""

    study: Path
    folder: Path
    kept: tuple[Kept, ...]
    interrupted: bool = False
    exhausted: bool = False


class Interrupted(Exception):
    """A person pressed Ctrl-C while a candidate was measured."""


def search(
    wish: Wish, config: Config, make_reporter: Callable[[], Reporter], say: Callable[[str], None]
) -> Outcome:
    """Run or resume the search. A candidate that fails is a result. Ctrl-C keeps what ended.

    Raises UsageError search.one-device, tune.* and those of the request; InfrastructureError tune.busy.
    """
    trials.import_optuna()
    identity = _identity(wish)
    path = tune_studies.file_of(config.state_dir, wish.study, identity)
    path = path.parent.parent / "search" / path.name
    folder = path.with_suffix("")
    with tune_studies.held(path):
        study = Study(
            path,
            identity=identity,
            goals=wish.objectives,
            constraints=wish.constraints,
            seed=wish.request.seed,
        )
        run = _Run(wish, config, study, folder, make_reporter, say)
        interrupted = exhausted = False
        try:
            exhausted = run.all()
        except (Interrupted, KeyboardInterrupt):
            interrupted = True
        except FarmError as error:
            if error.code != "run.interrupted":
                raise
            interrupted = True
        return Outcome(path, folder, tuple(study.kept()), interrupted, exhausted)


class _Run:
    def __init__(
        self,
        wish: Wish,
        config: Config,
        study: Study,
        folder: Path,
        make_reporter: Callable[[], Reporter],
        say: Callable[[str], None],
    ) -> None:
        self._wish, self._config, self._study = wish, config, study
        self._folder, self._make_reporter, self._say = folder, make_reporter, say
        self._began = time.monotonic()

    def all(self) -> bool:
        """Candidates until trials or time are used up; True when proposals only repeat themselves."""
        repeats = 0
        while repeats < REPEATS:
            kept = self._study.kept()
            if len(kept) >= self._wish.trials:
                return False
            if self._wish.time_s and time.monotonic() - self._began > self._wish.time_s and kept:
                return False
            new = self._one({one.key for one in kept}, at_random=repeats >= PATIENCE)
            repeats = 0 if new else repeats + 1
        return True

    def _one(self, seen: set[str], *, at_random: bool) -> bool:
        """One candidate; False when it repeats another."""
        trial = self._study.begin(at_random=at_random)
        workdir = self._folder / f"{trial.number:04d}"
        try:
            with candidate(self._wish.code, trial.number, self._wish.request.seed, workdir) as one:
                path = one.built(lambda words: studies.suggest(trial, words))
                key = studies.key_of(trial.params)
                if key in seen:
                    self._study.drop(trial)
                    shutil.rmtree(workdir, ignore_errors=True)
                    return False
                self._say(f"candidate {trial.number}: {key}")
                measured = self._measure(path)
                go = measured.usable and not surely_broken(measured, self._wish.constraints)
                kept, value = one.scored(go=go)
                file = self._keep(kept, trial.number)
        except FarmError as error:
            hopeless = isinstance(error, UsageError | InfrastructureError)
            if hopeless or error.code in ("run.interrupted", "train.no-function"):
                raise  # no other candidate would fare better, and this one may when it is tried again
            key = studies.key_of(trial.params)
            if key in seen:
                self._study.drop(trial)
                return False
            self._say(f"candidate {trial.number}: {error.code}: {error.message}")
            score = Score(STAGES[2], "", "", "failed", code=error.code, why=error.message)
            self._study.end(trial, key, score)
            return True
        if value is not None:
            exact = Value(value, value, value)
            measured = replace(measured, values={**measured.values, "accuracy": exact})
        self._study.end(trial, key, measured, file)
        return True

    def _keep(self, path: Path, number: int) -> str:
        """A copy of the candidate's file beside the study, one file with all its data; its name, "" for none.

        Raises JobError search.candidate for 2 GiB and more, and UsageError model.* for data elsewhere.
        """
        import onnx

        target = self._folder / f"{number:04d}.onnx"
        if not path.is_file():
            return ""
        model = onnx.load(path, load_external_data=False)
        files = external.check(model, path.parent)
        if not files:
            shutil.copyfile(path, target)
        elif external.digest(path, files)[1] >= onnx.checker.MAXIMUM_PROTOBUF:
            raise JobError(
                f"{path.name} and its data have 2 GiB or more",
                code="search.candidate",
                fix="let build(trial) make smaller networks",
            )
        else:
            onnx.load_external_data_for_model(model, str(path.parent))
            onnx.save(model, target)
        return target.name

    def _measure(self, path: Path) -> Score:
        """The fastest usable of the targets asked for, measured on the device."""
        plan = benchmark.plan_for(replace(self._wish.request, models=(path,)), self._config)
        if len(plan.devices) > 1:
            raise UsageError(
                f"the search needs one device, not {len(plan.devices)}",
                code="search.one-device",
                fix="choose one with -d NAME",
            )
        outcome = benchmark.execute(plan, self._config, self._make_reporter(), command=sys.argv)
        if outcome.interrupted:
            raise Interrupted
        scores = [score_of(result, STAGES[2], _batch(result)) for result in outcome.results]
        usable = [score for score in scores if score.usable and "latency" in score.values]
        if usable:
            return min(usable, key=lambda score: score.values["latency"].value)
        for result, score in zip(outcome.results, scores, strict=True):
            if score.passing:
                raise InfrastructureError(result.error_message, code=result.error_code, fix=result.error_fix)
        return next((score for score in scores if score.status == "failed"), scores[0])


def _batch(result: Result) -> int | None:
    text = result.options.get("batch", "")
    return int(text) if text.isdigit() else None


def _identity(wish: Wish) -> str:
    code, request = wish.code, wish.request
    files = [
        hashlib.sha256(path.read_bytes()).hexdigest()
        for name in (code.build, code.train)
        if (path := code.folder / name.rpartition(":")[0]).is_file()
    ]
    parts = (
        [code.build, code.train, *files],
        [list(request.devices), list(request.runtimes), list(request.precisions), list(request.threads)],
        [list(request.batch), [str(shape) for shape in request.shapes], request.seed],
        [goal.name for goal in wish.objectives],
        codec.encode(request.blocks),
    )
    return hashlib.sha256(codec.dumps(list(parts)).encode()).hexdigest()
