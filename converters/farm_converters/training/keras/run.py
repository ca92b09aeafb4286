"""One seed of a recipe with tf_keras; ``training/contract.py`` says what comes in and goes out.

Every step begins with plain layers and ends in plain layers (but for qat, which is last), so a step that is
done is its weights; one that was killed goes on in the epoch after its last checkpoint.
"""

from __future__ import annotations

import importlib
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from farm_converters import keras_to_onnx, tensorflow_graph
from farm_converters.training import contract, identity
from farm_converters.training.context import refuse_unvalidated
from farm_converters.training.keras import data, judge

WEIGHTS = "weights.npz"


def train(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """The baseline and every step. Raises JobError train.*, UsageError train.weights."""
    tensorflow_graph.quiet()
    import tensorflow as tf
    import tf_keras

    from farm_converters.training.keras.distil import ends_in_softmax
    from farm_converters.training.keras.loop import Context, seed_all
    from farm_converters.training.keras.network import builder, load_weights

    recipe, folder, seed = request["recipe"], Path(request["folder"]), int(request["seed"])
    _configure(tf, int(recipe["train"]["threads"]))
    identity.load_entries(recipe, folder)
    build = builder(recipe["model"], "model", folder, seed)
    network = build()
    specs, outputs = keras_to_onnx.describe(network, recipe["model"])
    names = [item["name"] for item in specs]
    seed_all(0)  # whatever the user's function draws without a seed of its own is the same for all seeds
    splits = data.load(contract.load_entry(recipe["data"], folder, "data"), folder)
    ordered = {name: split.ordered(names) if split else None for name, split in splits.items()}
    context = Context(
        folder=folder,
        workdir=workdir,
        seed=seed,
        metric=recipe["metric"],
        splits=ordered,
        progress=contract.Progress(workdir),
        recipe=recipe,
        build=build,
    )
    refuse_unvalidated(recipe, ordered)
    versions = {"tensorflow": tf.__version__, "tf_keras": tf_keras.__version__, "tfmot": _tfmot_version(),
                "python": platform.python_version()}  # fmt: skip
    known = {f"data({split.name!r})": split.sha256 for split in ordered.values() if split}
    identity.agree(Path(request["facts"]), {**identity.facts(folder, "keras", versions), **known})
    with contract.user_code("model", folder):
        context.probabilities = ends_in_softmax(network, context)
    if recipe["weights"]:
        load_weights(network, folder / recipe["weights"], "weights")
    test = context.split("test")
    written = contract.write_test(Path(request["test"]), dict(zip(names, test.xs, strict=True)), test.y)
    some = context.split("train").drawn(contract.CALIBRATION_SAMPLES, contract.CALIBRATION_SEED)[0]
    contract.write_inputs(Path(request["calibration"]), dict(zip(names, some, strict=True)))
    untrained = {**recipe["train"], "epochs": 0} if recipe["weights"] else recipe["train"]
    steps = [{"technique": "finetune", "name": "baseline", "parameters": {}, "train": untrained}]
    results = []
    for number, step in enumerate([*steps, *recipe["steps"]]):
        network, result = _step(network, number, step, outputs, context)
        results.append(asdict(result))
    inputs = [{**item, "shape": ["batch", *item["shape"][1:]]} for item in specs]
    return {"steps": results, "versions": versions, "inputs": inputs, "test": written}


def _configure(tf: Any, threads: int) -> None:  # noqa: ANN401 - the module
    """The same numbers on every run: deterministic kernels, a fixed number of threads."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()


def _tfmot_version() -> str:
    from importlib import metadata

    return metadata.version("tensorflow-model-optimization")


def _step(
    network: Any,  # noqa: ANN401 - tf_keras model
    number: int,
    step: Mapping[str, Any],
    outputs: list[str],
    context: Any,  # noqa: ANN401 - loop.Context, whose module imports nothing heavy but is used by name only
) -> tuple[Any, contract.StepResult]:
    """The network after the step, and what the step came to; a step done before only loads its weights."""
    context.begin(number, step["name"], contract.step_folder(context.workdir, number, step["name"]))
    done = contract.read_result(context.step_dir)
    if done is not None:
        return _restored(step, context), done
    begun = time.monotonic()
    epochs = int(step["train"]["epochs"]) * int(step["parameters"].get("rounds", 1))
    context.progress.tell("start", step=number, name=step["name"], epochs=epochs)
    technique = importlib.import_module(f"farm_converters.training.keras.{step['technique']}")
    with contract.user_code(step["name"], context.folder):
        network = technique.apply(network, step, context)
    result = _finish(network, number, step, outputs, context, begun)
    contract.write_result(context.step_dir, result)
    context.progress.tell("step", step=number, name=step["name"], metric=result.metric)
    return network, result


def _finish(
    network: Any,  # noqa: ANN401 - tf_keras model
    number: int,
    step: Mapping[str, Any],
    outputs: list[str],
    context: Any,  # noqa: ANN401 - loop.Context
    begun: float,
) -> contract.StepResult:
    """Judge and write the network."""
    from farm_converters.training.keras import export
    from farm_converters.training.keras.loop import save_arrays

    quantised = step["technique"] == "qat"
    test = context.split("test")
    with contract.user_code(step["name"], context.folder):
        reached = judge.score(network, test, context.metric, int(step["train"]["batch"]))
        files, notes = export.write(
            network, context.recipe, outputs, test, context.step_dir, quantised=quantised
        )
    if not quantised:
        state = {"keep_zeros": context.keep_zeros}
        save_arrays(context.step_dir / WEIGHTS, {"best": network.get_weights()}, state)
    parameters, nonzero = _count(network)
    return contract.StepResult(
        step=number,
        name=step["name"],
        technique=step["technique"] if number else "baseline",
        metric=reached,
        parameters=parameters,
        nonzero=nonzero,
        files={kind: f"{context.step_dir.name}/{name}" for kind, name in files.items()},
        seconds=context.before_s + time.monotonic() - begun,
        epochs=tuple(context.epochs),
        notes=(*context.notes, *notes),
        parameters_of_step=dict(step["parameters"]),
    )


def _count(network: Any) -> tuple[int, int]:  # noqa: ANN401 - tf_keras model
    """Trainable weights, and those that are not 0; what tfmot adds for itself is none."""
    values = [value.numpy() for value in network.trainable_variables]
    return sum(int(value.size) for value in values), sum(int((value != 0).sum()) for value in values)


def _restored(step: Mapping[str, Any], context: Any) -> Any:  # noqa: ANN401 - loop.Context, tf_keras model
    """The network of a step that is done. After qat, which is last, none is needed."""
    import numpy as np

    from farm_converters.training.keras.distil import ends_in_softmax
    from farm_converters.training.keras.network import builder, load_weights

    path = context.step_dir / WEIGHTS
    if step["technique"] == "qat":
        return None
    if step["parameters"].get("student"):
        student = step["parameters"]["student"]
        context.build = builder(student, "student", context.folder, context.seed)
        context.probabilities = ends_in_softmax(context.build(), context)
    network = context.build()
    load_weights(network, path, f"step {step['name']}")
    with np.load(path, allow_pickle=False) as archive:
        context.keep_zeros = bool(json.loads(archive["state"].tobytes())["keep_zeros"])
    return network
