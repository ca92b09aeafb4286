"""A SavedModel folder's serving signature as ONNX, compared with TensorFlow's own answers."""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path
from typing import Any

from farm_agent.errors import UsageError
from farm_converters import tensorflow_graph

WHERE = "host"
ENVIRONMENT = "keras"
RUNTIME = "onnxruntime"
RUNGS = {"fp32": ("tf2onnx",)}

SERVING = "serving_default"
MAX_BYTES = 4 << 30
MAX_FILES = 10_000
MAX_GRAPH_BYTES = 1_900_000_000
# Operators that touch files or run Python: loading alone may execute them
_UNSAFE = re.compile(
    r"(Eager)?PyFunc\w*|ReadFile|Write\w+|Print(V2)?|Save|SaveSlices|SaveDataset\w*|Load(Dataset|AndRemap)\w*"
    r"|ImmutableConst|RpcCall|Debug\w*|Abort"
    r"|\w*(Files|TextFile|FileSystem|Reader|Writer|Record|TextLine|LMDB|Sql|Snapshot|DataService|DistributedSave)"
    r"\w*"
)


def import_model(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """``request``: path (the folder), and optionally signature, seed and opset. Writes model.onnx.

    Raises UsageError model.missing, .corrupt, .too-large, .custom-code, .signature, .invalid,
    .unsupported-type; JobError convert.mismatch, .unsupported-op.
    """
    folder, target = Path(request["path"]), workdir / "model.onnx"
    check_folder(folder)
    tensorflow_graph.quiet()
    _check_operators(folder)
    loaded = _load(folder)
    name = _choose(folder, dict(loaded.signatures), str(request.get("signature") or ""))
    function = loaded.signatures[name]
    specs, outputs = _describe(function)
    tensorflow_graph.refuse_types(specs)
    given = _in_order(function, specs)
    unnamed = tensorflow_graph.unique([*given, *outputs])[len(given) :]
    opset = int(request.get("opset") or tensorflow_graph.OPSET)
    tensorflow_graph.export(function, target, inputs=given, outputs=unnamed, opset=opset)
    check = tensorflow_graph.compare(
        target, _runner(function, specs, outputs), specs, int(request.get("seed") or 0),
        f"import {folder.name}",
    )  # fmt: skip
    others = sorted(set(loaded.signatures) - {name, "serve", SERVING})
    caveats = [f"signature {name}; the folder also has {', '.join(others)}"] if others else []
    return {"file": target.name, "files": [target.name], "format": "SavedModel",
            "caveats": caveats, "check": check}  # fmt: skip


convert = import_model


def check_folder(folder: Path) -> None:
    """Raise UsageError unless ``folder`` holds a SavedModel of plain files within bounds."""
    if not (folder / "saved_model.pb").is_file():
        raise UsageError(
            f"{folder} has no saved_model.pb: it is no SavedModel",
            code="model.missing",
            fix="name the folder that model.export() or tf.saved_model.save() wrote",
        )
    total = count = 0
    for where, folders, files in os.walk(folder):
        for name in (*folders, *files):
            status = (Path(where) / name).lstat()
            if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
                raise UsageError(
                    f"{folder}: {name} is a link or no regular file",
                    code="model.corrupt",
                    fix="copy the SavedModel as plain files (cp -rL)",
                )
            total, count = total + status.st_size, count + 1
    graph = (folder / "saved_model.pb").stat().st_size
    if total > MAX_BYTES or count > MAX_FILES or graph > MAX_GRAPH_BYTES:
        raise UsageError(
            f"{folder} holds more than {MAX_BYTES >> 30} GiB or {MAX_FILES} files",
            code="model.too-large",
            fix="export the network alone, without training state",
        )


def _check_operators(folder: Path) -> None:
    """Before anything is loaded: no operator that reads or writes files, or calls Python."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    try:
        model = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
    except DecodeError as error:
        raise _corrupt(folder, f"saved_model.pb: {error}") from error
    if not model.meta_graphs:
        raise _corrupt(folder, "saved_model.pb holds no graph")
    for graph in model.meta_graphs:
        used = {node.op for node in graph.graph_def.node}
        for function in graph.graph_def.library.function:
            used |= {node.op for node in function.node_def}
        unsafe = sorted(name for name in used if _UNSAFE.fullmatch(name))
        if unsafe:
            raise UsageError(
                f"{folder} holds operators that touch files or run Python: {', '.join(unsafe)[:300]}",
                code="model.custom-code",
                fix="export the network alone, without its input pipeline",
            )


def _load(folder: Path) -> Any:  # noqa: ANN401 - a trackable object
    import tensorflow as tf

    try:
        return tf.saved_model.load(str(folder))
    except MemoryError:
        raise
    except Exception as error:
        raise _corrupt(
            folder, f"TensorFlow says {type(error).__name__}: {' '.join(str(error).split())[:300]}"
        ) from error


def _choose(folder: Path, signatures: dict[str, Any], asked: str) -> str:
    names = sorted(signatures)
    if asked in names:
        return asked
    if not asked and SERVING in names:
        return SERVING
    if not asked and len(names) == 1:
        return names[0]
    what = f"no signature {asked!r}" if asked else f"no {SERVING}"
    raise UsageError(
        f"{folder} has {what}; its signatures are: {', '.join(names) or 'none'}",
        code="model.signature",
        fix=f"save it with one called {SERVING}: tf.saved_model.save(model, FOLDER, signatures=FUNCTION)",
    )


def _describe(function: Any) -> tuple[list[dict[str, Any]], list[str]]:  # noqa: ANN401 - ConcreteFunction
    named = function.structured_input_signature[1]
    specs = []
    for name, spec in named.items():
        if spec.shape.rank is None:
            raise UsageError(
                f"input {name!r} may have any number of dimensions",
                code="model.unsupported-type",
                fix="export the network with an input of a fixed number of dimensions",
            )
        specs.append({"name": name, "dtype": spec.dtype.name, "shape": list(spec.shape.as_list())})
    return specs, sorted(function.structured_outputs)


def _in_order(function: Any, specs: list[dict[str, Any]]) -> list[str]:  # noqa: ANN401 - ConcreteFunction
    """The names of the arguments in the order of the function's own placeholders."""
    import tensorflow as tf

    known = {item["name"] for item in specs}
    flat = tf.nest.flatten(function.structured_input_signature[1], expand_composites=True)
    found = [str(spec.name) for spec in flat]
    return found if set(found) == known else sorted(known)


def _runner(function: Any, specs: list[dict[str, Any]], outputs: list[str]) -> Any:  # noqa: ANN401
    import tensorflow as tf

    def run(feed: list[Any]) -> list[Any]:
        given = {item["name"]: tf.constant(array) for item, array in zip(specs, feed, strict=True)}
        answer = function(**given)
        return [answer[name].numpy() for name in outputs]

    return run


def _corrupt(folder: Path, why: str) -> UsageError:
    return UsageError(
        f"{folder} cannot be read as a SavedModel: {why}",
        code="model.corrupt",
        fix="copy the whole folder again (saved_model.pb and variables/), or export it again",
    )
