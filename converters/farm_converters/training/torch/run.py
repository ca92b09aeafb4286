"""One seed of a recipe with PyTorch; ``training/contract.py`` says what comes in and goes out.

Structure is made anew in every process and only training is remembered: a step that is done loads its weights
from its checkpoints, so that a killed run goes on in the epoch after the last whole one.
"""

from __future__ import annotations

import importlib
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farm_converters.training import contract, identity
from farm_converters.training.context import refuse_unvalidated
from farm_converters.training.torch import data, export, judge
from farm_converters.training.torch.loop import Context, Network, seed_all
from farm_converters.training.torch.network import build


def train(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """The baseline and every step. Raises JobError train.*, UsageError train.weights."""
    import torch

    recipe, folder = request["recipe"], Path(request["folder"])
    torch.use_deterministic_algorithms(mode=True, warn_only=True)
    torch.set_num_threads(int(recipe["train"]["threads"]))
    identity.load_entries(recipe, folder)
    seed_all(0)  # whatever the user's function draws without a seed of its own is the same for all seeds
    splits = data.load(contract.load_entry(recipe["data"], folder, "data"), folder)
    context = Context(
        folder=folder,
        workdir=workdir,
        seed=int(request["seed"]),
        metric=recipe["metric"],
        splits=splits,
        progress=contract.Progress(workdir),
        recipe=recipe,
    )
    refuse_unvalidated(recipe, splits)
    network = build(recipe["model"], recipe["weights"], "model", context)
    arrays, labels = data.arrays_of(context.split("test"), int(recipe["train"]["batch"]))
    names = export.input_names(network, len(arrays))
    versions = {"torch": torch.__version__, "python": platform.python_version()}
    known = {f"data({split.name!r})": split.sha256 for split in splits.values() if split}
    identity.agree(Path(request["facts"]), {**identity.facts(folder, "torch", versions), **known})
    test = contract.write_test(Path(request["test"]), dict(zip(names, arrays, strict=True)), labels)
    some = context.split("train").drawn(contract.CALIBRATION_SAMPLES, contract.CALIBRATION_SEED)[0]
    calibration = {name: value.numpy() for name, value in zip(names, some, strict=True)}
    contract.write_inputs(Path(request["calibration"]), calibration)
    untrained = {**recipe["train"], "epochs": 0} if recipe["weights"] else recipe["train"]
    steps = [{"technique": "finetune", "name": "baseline", "parameters": {}, "train": untrained}]
    results = []
    for number, step in enumerate([*steps, *recipe["steps"]]):
        network, result = _step(network, number, step, names, context)
        results.append(asdict(result))
    inputs = [
        {"name": name, "dtype": str(array.dtype), "shape": ["batch", *array.shape[1:]]}
        for name, array in zip(names, arrays, strict=True)
    ]
    return {"steps": results, "versions": versions, "inputs": inputs, "test": test}


def _step(
    network: Network, number: int, step: Mapping[str, Any], names: list[str], context: Context
) -> tuple[Network, contract.StepResult]:
    """The network after the step, and what the step came to; a step done before only loads its weights."""
    context.begin(number, step["name"], contract.step_folder(context.workdir, number, step["name"]))
    done = contract.read_result(context.step_dir)
    begun = time.monotonic()
    if done is None:
        epochs = int(step["train"]["epochs"]) * int(step["parameters"].get("rounds", 1))
        context.progress.tell("start", step=number, name=step["name"], epochs=epochs)
    technique = importlib.import_module(f"farm_converters.training.torch.{step['technique']}")
    with contract.user_code(step["name"], context.folder):
        network = technique.apply(network, step, context)
    if done is not None:
        return network, done
    recipe, test = context.recipe, context.split("test")
    network.cpu()
    with contract.user_code(step["name"], context.folder):
        reached = judge.score(network, test, context.metric, int(step["train"]["batch"]), "cpu")
        files = export.write(
            network,
            recipe["export"]["formats"],
            names,
            test,
            int(recipe["export"]["opset"]),
            context.step_dir,
        )
    parameters = list(network.parameters())
    result = contract.StepResult(
        step=number,
        name=step["name"],
        technique=step["technique"] if number else "baseline",
        metric=reached,
        parameters=sum(value.numel() for value in parameters),
        nonzero=sum(int(value.count_nonzero()) for value in parameters),
        files={kind: f"{context.step_dir.name}/{name}" for kind, name in files.items()},
        seconds=context.before_s + time.monotonic() - begun,
        epochs=tuple(context.epochs),
        notes=tuple(context.notes),
        parameters_of_step=dict(step["parameters"]),
    )
    contract.write_result(context.step_dir, result)
    context.progress.tell("step", step=number, name=step["name"], metric=reached)
    return network, result
