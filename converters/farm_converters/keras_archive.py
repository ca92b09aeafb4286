"""What a .keras file holds, judged before any framework reads it; standard library only.

A .keras file is a zip of metadata.json, config.json (the layers) and model.weights.h5. Its configuration may
name Python code: Lambda layers carry marshalled functions, and any entry may name a module to import. Only
classes of Keras itself pass.
"""

from __future__ import annotations

import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

from farm_agent.errors import UsageError

MAX_BYTES = 2 << 30
MAX_ENTRIES = 10_000
MAX_JSON_BYTES = 64 << 20
MAX_DEPTH = 200
NEEDED = ("metadata.json", "config.json", "model.weights.h5")
SAVEDMODEL_FIX = "save it as a SavedModel, which holds the graph in place of code: model.export(FOLDER)"
UNREADABLE = (OSError, zipfile.BadZipFile, NotImplementedError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a damaged zip archive raises."""
_LINK = 0o120000
# Modules of both frameworks that hold layers and what layers are made of, and nothing that touches files
_KERAS = re.compile(
    r"(tf_)?keras(\.src)?(\.(activations|constraints|dtype_policies|engine|initializers|layers|losses|metrics"
    r"|mixed_precision|models|ops|optimizers|quantizers|random|regularizers)(\.\w+)*)?"
)
_CODE = ("Lambda", "__lambda__")


def check(path: Path) -> int:
    """3 for a file of Keras 3, 2 for one of tf_keras. Raises UsageError model.corrupt, .too-large,
    .custom-code."""
    try:
        with zipfile.ZipFile(path) as archive:
            _check_entries(path, archive)
            metadata, config = (_json(path, archive, name) for name in NEEDED[:2])
    except UNREADABLE as error:
        raise _corrupt(path, " ".join(str(error).split())[:200]) from error
    if not isinstance(config, dict) or not isinstance(metadata, dict):
        raise _corrupt(path, "config.json holds no layers")
    # The optimiser and the loss are never loaded, so that their code does not matter
    _check_classes(path, {key: value for key, value in config.items() if key != "compile_config"})
    return 3 if str(metadata.get("keras_version", "")).split(".")[0] >= "3" else 2


def _check_entries(path: Path, archive: zipfile.ZipFile) -> None:
    entries = archive.infolist()
    if len(entries) > MAX_ENTRIES or sum(entry.file_size for entry in entries) > MAX_BYTES:
        raise UsageError(
            f"{path} unpacks to more than {MAX_BYTES >> 30} GiB or {MAX_ENTRIES} files",
            code="model.too-large",
            fix="save the model again, or use a smaller one",
        )
    names = [entry.filename for entry in entries]
    for entry in entries:
        parts = PurePosixPath(entry.filename).parts
        outside = entry.filename.startswith("/") or ".." in parts or "\\" in entry.filename
        if outside or (entry.external_attr >> 16) & 0o170000 == _LINK or entry.flag_bits & 1:
            raise _corrupt(path, f"it has an entry that may not be in it: {entry.filename[:100]!r}")
    if len(set(names)) != len(names):
        raise _corrupt(path, "it names an entry twice")
    for name in NEEDED:
        if name not in names:
            raise _corrupt(path, f"it has no {name}")


def _json(path: Path, archive: zipfile.ZipFile, name: str) -> Any:  # noqa: ANN401 - JSON
    with archive.open(name) as file:
        data = file.read(MAX_JSON_BYTES + 1)
    if len(data) > MAX_JSON_BYTES:
        raise _corrupt(path, f"{name} holds more than {MAX_JSON_BYTES >> 20} MiB")
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise _corrupt(path, f"{name}: {str(error)[:200]}") from error


def _check_classes(path: Path, config: dict[str, Any]) -> None:
    for item in _classes(path, config):
        name, module = str(item.get("class_name")), item.get("module")
        if name in _CODE:
            raise _code(path, f"a {name.strip('_')} layer, which carries Python code")
        own = module is None or module == "builtins" or (isinstance(module, str) and _KERAS.fullmatch(module))
        if not own:
            raise _code(path, f"{str(module)[:100]}.{name[:100]}, which is not a part of Keras")
        registered = item.get("registered_name")
        if isinstance(registered, str) and ">" in registered:
            raise _code(path, f"{registered[:100]!r}, a class of its author's")


def _classes(path: Path, config: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Every table that names a class, at any depth."""
    stack: list[tuple[Any, int]] = [(config, 0)]
    while stack:
        value, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise _corrupt(path, "config.json is nested too deeply")
        if isinstance(value, dict):
            if "class_name" in value:
                yield value
            stack.extend((part, depth + 1) for part in value.values())
        elif isinstance(value, list):
            stack.extend((part, depth + 1) for part in value)


def _corrupt(path: Path, why: str) -> UsageError:
    return UsageError(
        f"{path} is no whole .keras file: {why}",
        code="model.corrupt",
        fix="copy the file again, or save the model again with model.save(NAME.keras)",
    )


def _code(path: Path, what: str) -> UsageError:
    return UsageError(
        f"{path} holds {what}; code inside a model file is not run",
        code="model.custom-code",
        fix=SAVEDMODEL_FIX,
    )
