"""Write a trained network as ONNX, TFLite and .keras, and run what was written on the test split."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import keras_to_onnx
from farm_converters.training.keras import judge
from farm_converters.training.keras.data import Split
from farm_converters.training.keras.loop import Network

CHECKED = 8
JUDGED = 1000  # test samples that a file is judged on
# Float files answer as the framework does; int8 ones round at other places in their kernels
MAX_LOSS = {"float": 0.005, "int8": 0.03}


def write(
    network: Network,
    recipe: Mapping[str, Any],
    outputs: Sequence[str],
    test: Split,
    folder: Path,
    *,
    quantised: bool,
) -> tuple[dict[str, str], list[str]]:
    """Write ``folder/model.FORMAT`` and ``check.npz``; answer format to file name, and notes.

    Raises JobError train.export.
    """
    import numpy as np

    specs, _ = keras_to_onnx.describe(network, "the network")
    names = [item["name"] for item in specs]
    inputs = tuple(x[:CHECKED] for x in test.xs)
    given = {f"in.{name}": x for name, x in zip(names, inputs, strict=True)}
    np.savez(folder / "check.npz", **given, **{f"out.{outputs[0]}": judge.predict(network, inputs)})
    files: dict[str, str] = {}
    notes: list[str] = []
    for kind in recipe["export"]["formats"]:
        path = folder / f"model.{kind}"
        if kind == "keras" and quantised:
            notes.append(
                "a quantised network has no .keras file that loads without tfmot: use its other files"
            )
            continue
        try:
            if kind == "onnx":
                keras_to_onnx.export(network, specs, list(outputs), path, int(recipe["export"]["opset"]))
            elif kind == "tflite":
                path.write_bytes(_tflite(network, quantised=quantised))
            else:
                network.save(str(path))
        except JobError:
            raise
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise _failed(f"the network cannot be written as {kind}: {lines[0][:300]}") from error
        files[kind] = path.name
        if kind != "keras":
            notes.append(_judge(network, path, names, test, recipe["metric"], quantised=quantised))
    return files, notes


def _tflite(network: Network, *, quantised: bool) -> bytes:
    """Float32; or int8 inside with float inputs and outputs, by the ranges that the network learned."""
    import tensorflow as tf

    converter = tf.lite.TFLiteConverter.from_keras_model(network)
    if quantised:
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    made: bytes = converter.convert()
    return made


def _judge(
    network: Network, path: Path, names: list[str], test: Split, metric: str, *, quantised: bool
) -> str:
    """The metric of the file itself, by ONNX Runtime or LiteRT. Raises JobError train.export when it falls
    behind the network's."""
    some = Split(test.name, tuple(x[:JUDGED] for x in test.xs), test.y[:JUDGED])
    run = _onnx(path, names) if path.suffix == ".onnx" else _litert(path, names)
    own = judge.score(network, some, metric, 100)
    reached = sum(
        judge.sum_of(metric, run(inputs).astype("float64"), labels) for inputs, labels in some.batches(1)
    ) / len(some)
    kind = "int8" if quantised else "float"
    loss = (reached - own) / max(abs(own), 1e-9) if metric == "mae" else own - reached
    if loss > MAX_LOSS[kind]:
        raise _failed(f"{path.name} reaches {metric} {reached:.4f}, the network in TensorFlow {own:.4f}")
    return f"{path.name} itself: {metric} {reached:.4f} on {len(some)} test samples"


def _onnx(path: Path, names: list[str]) -> Callable[[tuple[Any, ...]], Any]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return lambda inputs: session.run(None, dict(zip(names, inputs, strict=True)))[0]


def _litert(path: Path, names: list[str]) -> Callable[[tuple[Any, ...]], Any]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(path), num_threads=1)
    interpreter.allocate_tensors()
    details = {item["name"].removeprefix("serving_default_").split(":")[0]: item["index"]
               for item in interpreter.get_input_details()}  # fmt: skip
    output = interpreter.get_output_details()[0]["index"]

    def run(inputs: tuple[Any, ...]) -> Any:  # noqa: ANN401 - array
        for name, array in zip(names, inputs, strict=True):
            interpreter.set_tensor(details[name], array)
        interpreter.invoke()
        return interpreter.get_tensor(output)

    return run


def _failed(what: str) -> JobError:
    return JobError(
        what,
        code="train.export",
        fix="replace the operation that the message names, or leave the format out of [export]",
    )
