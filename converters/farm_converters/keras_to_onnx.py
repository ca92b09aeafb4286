"""A .keras file of Keras 3 or tf_keras as ONNX, compared with the framework's own answers."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError
from farm_converters import keras_archive, tensorflow_graph

WHERE = "host"
ENVIRONMENT = "keras"
RUNTIME = "onnxruntime"
RUNGS = {"fp32": ("tf2onnx",)}
MAX_OBJECTS = 100_000


def import_model(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """``request``: path, and optionally seed and opset. Writes model.onnx into ``workdir``.

    Raises UsageError model.corrupt, .too-large, .custom-code, .invalid, .unsupported-type; JobError
    convert.mismatch, .unsupported-op.
    """
    path, target = Path(request["path"]), workdir / "model.onnx"
    version = keras_archive.check(path)
    _check_weights(path)
    tensorflow_graph.quiet()
    model = _load(path, version)
    specs, outputs = describe(model, path.name)
    export(model, specs, outputs, target, int(request.get("opset") or tensorflow_graph.OPSET))
    check = tensorflow_graph.compare(
        target, runner(model), specs, int(request.get("seed") or 0), f"import {path.name}"
    )
    framework = f"Keras {version}" if version == 3 else "tf_keras"
    return {"file": target.name, "files": [target.name], "format": framework, "caveats": [], "check": check}


convert = import_model


def describe(model: Any, what: str) -> tuple[list[dict[str, Any]], list[str]]:  # noqa: ANN401 - keras Model
    """The inputs ({"name", "dtype", "shape"}, None for free axes) and the names of the outputs.

    Raises UsageError model.invalid, .unsupported-type.
    """
    if not getattr(model, "inputs", None):
        raise UsageError(
            f"{what} was saved before it knew the shapes of its inputs",
            code="model.invalid",
            fix="call the model once on data, or give its first layer an Input, and save it again",
        )
    names = tensorflow_graph.unique([_plain(str(item.name)) for item in model.inputs])
    specs = [
        {"name": name, "dtype": _dtype(item.dtype), "shape": [_size(n) for n in item.shape]}
        for name, item in zip(names, model.inputs, strict=True)
    ]
    tensorflow_graph.refuse_types(specs)
    found = [str(name) for name in getattr(model, "output_names", None) or ()]
    if len(found) != len(model.outputs):
        found = [f"output_{index}" for index in range(len(model.outputs))]
    # A model that returns what it was given would name one tensor twice
    return specs, tensorflow_graph.unique([*names, *(_plain(name) for name in found)])[len(names) :]


def export(model: Any, specs: list[dict[str, Any]], outputs: list[str], target: Path, opset: int) -> None:  # noqa: ANN401
    """Write ``model`` as it answers outside of training."""
    import tensorflow as tf

    signature = [
        tf.TensorSpec(item["shape"], item["dtype"], name=f"farm_{k}") for k, item in enumerate(specs)
    ]
    function = tf.function(lambda *given: _flat(model, list(given)), input_signature=signature)
    tensorflow_graph.export(
        function.get_concrete_function(),
        target,
        inputs=[item["name"] for item in specs],
        outputs=outputs,
        opset=opset,
    )


def runner(model: Any) -> Any:  # noqa: ANN401 - keras Model
    """Arrays in, arrays out, by the framework itself."""
    return lambda feed: [tensor.numpy() for tensor in _flat(model, feed)]


def _flat(model: Any, given: list[Any]) -> list[Any]:  # noqa: ANN401 - keras Model
    """The outputs of a call, in the order of ``output_names``."""
    import tensorflow as tf

    structure = getattr(model, "_inputs_struct", None)  # Keras 3: a model may take a dict of inputs
    packed = given[0] if len(given) == 1 else given
    if isinstance(structure, dict):
        packed = dict(zip(sorted(structure), given, strict=True))
    answer = model(packed, training=False)
    if isinstance(answer, dict):
        names = [name for name in getattr(model, "output_names", None) or () if name in answer]
        return [answer[name] for name in (names if len(names) == len(answer) else sorted(answer))]
    return list(tf.nest.flatten(answer))


def _load(path: Path, version: int) -> Any:  # noqa: ANN401 - keras Model
    import importlib

    keras = importlib.import_module("keras" if version == 3 else "tf_keras")
    try:
        return keras.models.load_model(str(path), compile=False, safe_mode=True)
    except MemoryError:
        raise
    except Exception as error:
        text = " ".join(str(error).split())[:300]
        raise UsageError(
            f"{keras.__name__} cannot load {path.name}: {type(error).__name__}: {text}",
            code="model.invalid",
            fix=f"load it where it was made, then {keras_archive.SAVEDMODEL_FIX}",
        ) from error


def _check_weights(path: Path) -> None:
    """HDF5 may point into other files of this machine; weights have no reason to."""
    import h5py

    try:
        with zipfile.ZipFile(path) as archive:
            data = io.BytesIO(archive.read("model.weights.h5"))
        with h5py.File(data, "r") as file:
            stack, count = [file], 0
            while stack:
                group = stack.pop()
                for name in group:
                    count += 1
                    if count > MAX_OBJECTS:  # hard links may also lead in circles
                        raise _bad_weights(path, f"more than {MAX_OBJECTS} groups and arrays")
                    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                        raise _bad_weights(path, f"{name!r} points elsewhere")
                    item = group[name]
                    if isinstance(item, h5py.Group):
                        stack.append(item)
                    elif item.external or item.is_virtual:
                        raise _bad_weights(path, f"{name!r} keeps its data in another file")
    except (*keras_archive.UNREADABLE, RuntimeError, KeyError) as error:
        raise _bad_weights(path, " ".join(str(error).split())[:200]) from error


def _bad_weights(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path.name}: its weights cannot be used: {why}", code="model.corrupt", fix="save the model again"
    )


def _plain(name: str) -> str:
    return name.split(":", maxsplit=1)[0].replace("/", "_")


def _dtype(kind: Any) -> str:  # noqa: ANN401 - a tf.DType or its name
    return str(getattr(kind, "name", kind))


def _size(size: Any) -> int | None:  # noqa: ANN401
    return None if size is None else int(size)
