"""Models in any format that farm reads: ONNX as it is, others imported to ONNX once and cached by content."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from farm_agent import codec
from farm_agent.errors import JobError, UsageError
from farm_converters import cache, edges, environment, sandbox
from farm_converters.lock import held
from farm_converters.model import Model, Origin

LIMITS = sandbox.Limits(timeout_s=600.0)
IMPORTED = ("pt2", "keras", "savedmodel")
"""Source formats that an edge FORMAT_to_onnx imports."""


def format_of(path: Path) -> str:
    """ "pt2", "keras" or "savedmodel" by content, else "": ONNX, or nothing that is known here."""
    if path.is_dir():
        return "savedmodel" if (path / "saved_model.pb").is_file() else ""
    if not path.is_file():
        return ""  # a pipe would be waited for
    try:
        with zipfile.ZipFile(path) as archive:
            names = set(archive.namelist())
    except (OSError, ValueError, zipfile.BadZipFile, NotImplementedError):
        return ""
    if {"config.json", "metadata.json"} <= names:
        return "keras"
    return "pt2" if any(name.endswith("/archive_format") for name in names) else ""


def open_model(path: Path, cache_dir: Path, report: Callable[[str], None]) -> Model:
    """Describe the model at ``path``; a .pt2, .keras or SavedModel is imported to ONNX first.

    ``Model.origin`` then says where it came from and ``Model.path`` is the cached ONNX file. Raises what
    ``inspect_model`` and the import raise: UsageError model.*, JobError convert.*, InfrastructureError env.*.
    """
    from farm_converters.inspect import inspect_model

    kind = format_of(path)
    if not kind:
        return inspect_model(path)
    _refuse_early(kind, path)
    sha256 = digest(path)
    edge = edges.load(kind, "onnx")
    cache_dir = Path(os.path.abspath(cache_dir))  # noqa: PTH100 - resolving would follow links
    made_by = (environment.fingerprint(edge.ENVIRONMENT), edges.code_hash(edge))
    key = hashlib.sha256(codec.dumps([kind, sha256, *made_by]).encode()).hexdigest()
    entry = cache_dir / "imports" / key
    with cache.writable(cache_dir):
        index = cache.read(entry)
        if index is None:
            with held(entry.with_suffix(".lock"), report=report, what=f"importing {path.name}"):
                index = cache.read(entry)
                if index is None:
                    _make(edge, kind, path, sha256, cache_dir, entry, report)
                    index = cache.read(entry)
    if index is None:
        raise JobError(f"the import of {path.name} cannot be read back from the cache", code="convert.failed")
    origin = codec.decode(Origin, {**index["origin"], "path": str(path)})
    model = inspect_model(entry / "model.onnx")
    caveats = (*model.caveats, *(str(text) for text in index["caveats"]))
    return replace(model, origin=origin, caveats=caveats)


def digest(path: Path) -> str:
    """sha256 of a file, or of a folder's files with their names. Raises UsageError model.missing."""
    sha = hashlib.sha256()
    try:
        if path.is_file():
            return cache.blob_of(path).sha256
        for file in sorted(item for item in path.rglob("*") if item.is_file()):
            sha.update(f"{file.relative_to(path)}\0{cache.blob_of(file).sha256}\0".encode())
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}", code="model.missing", fix="check the path and that you may read it"
        ) from error
    return sha.hexdigest()


def _refuse_early(kind: str, path: Path) -> None:
    """What needs no framework to be refused, before an environment is built for it."""
    if kind == "savedmodel":
        from farm_converters.savedmodel_to_onnx import check_folder

        check_folder(path)
    elif kind == "keras":
        from farm_converters import keras_archive

        keras_archive.check(path)


def _make(
    edge: edges.Edge,
    kind: str,
    path: Path,
    sha256: str,
    cache_dir: Path,
    entry: Path,
    report: Callable[[str], None],
) -> None:
    env = environment.prepare(edge.ENVIRONMENT, cache_dir, report)
    report(f"importing {path.name} ({kind}) as ONNX")
    with sandbox.private_directory(cache_dir / "work") as workdir:
        answer = sandbox.call(
            f"{edge.__name__}:import_model",
            {"path": os.path.abspath(path), "seed": 0},  # noqa: PTH100
            workdir=workdir,
            what=f"import {path.name}",
            limits=LIMITS,
            python=env.python,
        )
        if digest(path) != sha256:  # the entry would hold another model than its name says
            raise UsageError(f"{path} changed during the import", code="model.changed", fix="run again")
        origin = Origin(str(path), kind, sha256, _toolchain(edge, env), _check(answer))
        index = {"origin": codec.encode(origin), "caveats": list(answer["caveats"])}
        cache.publish(entry, {"model.onnx": workdir / str(answer["file"])}, index)


def _toolchain(edge: edges.Edge, env: environment.Environment) -> dict[str, str]:
    kept = ("torch", "tensorflow", "tensorflow-cpu", "tf-keras", "keras", "tf2onnx", "onnx")
    versions = {name: env.versions[name] for name in kept if name in env.versions}
    return {"edge": edges.short_name(edge), **versions}


def _check(answer: dict[str, Any]) -> dict[str, float]:
    return {str(name): float(value) for name, value in answer["check"].items()}
