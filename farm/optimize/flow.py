"""A recipe from its file to its report. Everything that was finished before is kept and not done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from farm.config import Config
from farm.errors import JobError, UsageError
from farm.optimize import folder as folders
from farm.optimize import measured, report
from farm.optimize.progress import Lines
from farm.plan import Request
from farm.progress import Reporter
from farm_converters.training import environments, launch
from farm_converters.training.recipe import TrainingRecipe, load, with_seeds


@dataclass(frozen=True)
class Wish:
    """What was asked for. Empty ``seeds`` and ``devices``: the recipe's. ``base``: how devices measure."""

    recipe: Path
    out: Path | None = None
    seeds: tuple[int, ...] = ()
    devices: tuple[str, ...] = ()
    bench: bool = True
    base: Request = field(default_factory=lambda: Request(models=()))


@dataclass(frozen=True)
class Optimized:
    """A finished recipe: its report as JSON values, and the folder that holds everything."""

    recipe: TrainingRecipe
    folder: Path
    steps: tuple[report.StepReport, ...]
    document: Mapping[str, Any]


def optimize(wish: Wish, config: Config, say: Callable[[str], None], reporter: Reporter) -> Optimized:
    """Train every seed that is not trained yet, measure every step, write report.json and report.md.

    Raises UsageError recipe.*, train.*; JobError train.*; InfrastructureError env.*, host.*. What was
    finished stays: the same call goes on there.
    """
    from farm_converters.lock import held

    path = wish.recipe.absolute()
    recipe = load(path)
    recipe = with_seeds(recipe, wish.seeds or recipe.seeds)
    folder = folders.prepare(recipe, path, wish.out)
    with held(folder.lock, report=say, what=f"another farm optimize in {folder.root}"):
        folders.claim(folder, recipe, path)
        env = environments.prepare(recipe.framework, recipe.environment, path.parent, config.cache_dir, say)
        answers = _train(recipe, path.parent, folder, env.python, say)
        _refuse_other_data(answers)
        networks = _networks(recipe, folder, answers)
        rows: list[Mapping[str, Any]] = []
        if wish.bench:
            request = measured.request_of(recipe, folder, wish.devices, wish.base)
            chosen = [n for n in networks if recipe.bench.seeds == "all" or n.seed == recipe.seeds[0]]
            rows = measured.measure(chosen, folder, request, config, reporter)
        first = answers[recipe.seeds[0]]
        steps = _steps(recipe, answers, networks, rows)
        found = report.document(recipe, steps, first["versions"], first["test"])
        report.write(folder.root, found, report.markdown(recipe, steps, first["versions"]))
    return Optimized(recipe, folder.root, steps, found)


def _train(
    recipe: TrainingRecipe, base: Path, folder: folders.Folder, python: str, say: Callable[[str], None]
) -> dict[int, dict[str, Any]]:
    lines = Lines(recipe, len(recipe.seeds), say)
    answers = {}
    for number, seed in enumerate(recipe.seeds, 1):
        lines.seed(number, seed)
        shared = (folder.test, folder.calibration, folder.facts)
        job = launch.Job(recipe, base, seed, folder.seed(seed), *shared, python)
        answers[seed] = launch.run(job, lines.event)
    return answers


def _refuse_other_data(answers: Mapping[int, Mapping[str, Any]]) -> None:
    if len({answer["test"]["sha256"] for answer in answers.values()}) > 1:
        raise JobError(
            "data('test') gave other samples to another seed: they cannot be compared",
            code="train.data-changes",
            fix="make the split fixed: the function must return the same test samples on every call",
        )


def _networks(
    recipe: TrainingRecipe, folder: folders.Folder, answers: Mapping[int, Mapping[str, Any]]
) -> list[measured.Network]:
    found = []
    for seed, answer in answers.items():
        for step in answer["steps"]:
            source = folder.seed(seed) / step["files"]["onnx"]
            if not source.is_file():
                raise UsageError(
                    f"{source} is gone",
                    code="train.missing-file",
                    fix=f"remove {folder.seed(seed)} and run the same command: the seed is trained again",
                )
            path = folder.network(recipe, step["step"], step["name"], seed, source)
            quantised = step["technique"] == "qat"
            own = (
                folder.seed(seed) / step["files"]["tflite"]
                if "tflite" in step["files"] and quantised
                else None
            )
            tflite = folder.network(recipe, step["step"], step["name"], seed, own) if own else None
            found.append(measured.Network(step["step"], seed, path, quantised, tflite))
    return found


def _steps(
    recipe: TrainingRecipe,
    answers: Mapping[int, Mapping[str, Any]],
    networks: Sequence[measured.Network],
    rows: Sequence[Mapping[str, Any]],
) -> tuple[report.StepReport, ...]:
    files = {(network.step, network.seed): network.path for network in networks}
    found = []
    for number, first in enumerate(answers[recipe.seeds[0]]["steps"]):
        each = {seed: answer["steps"][number] for seed, answer in answers.items()}
        notes = dict.fromkeys(
            note if len(each) == 1 else f"seed {seed}: {note}"
            for seed, step in each.items()
            for note in step["notes"]
        )
        found.append(
            report.StepReport(
                step=number,
                name=first["name"],
                technique=first["technique"],
                settings=first["parameters_of_step"],
                metric={seed: step["metric"] for seed, step in each.items()},
                parameters={seed: step["parameters"] for seed, step in each.items()},
                nonzero={seed: step["nonzero"] for seed, step in each.items()},
                size_bytes={seed: files[number, seed].stat().st_size for seed in each},
                compressed_bytes={seed: folders.compressed_bytes(files[number, seed]) for seed in each},
                files={seed: str(files[number, seed]) for seed in each},
                train_s={seed: step["seconds"] for seed, step in each.items()},
                notes=tuple(notes),
                measured=tuple(row for row in rows if row["step"] == number),
            )
        )
    return tuple(found)
