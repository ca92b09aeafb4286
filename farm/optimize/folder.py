"""The folder of a run: which recipe it belongs to, and where its seeds, networks and reports lie."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from farm.errors import InfrastructureError, UsageError
from farm_agent import codec
from farm_converters.training import identity
from farm_converters.training.contract import write_json
from farm_converters.training.recipe import TrainingRecipe

IDENTITY = "run.json"


@dataclass(frozen=True)
class Folder:
    """Paths below one run's folder."""

    root: Path

    @property
    def test(self) -> Path:
        return self.root / "test.npz"

    @property
    def facts(self) -> Path:
        return self.root / "facts.json"

    @property
    def calibration(self) -> Path:
        return self.root / "calibration.npz"

    @property
    def lock(self) -> Path:
        return self.root / "run.lock"

    def seed(self, seed: int) -> Path:
        return self.root / "seeds" / str(seed)

    def network(self, recipe: TrainingRecipe, step: int, name: str, seed: int, source: Path) -> Path:
        """A copy of a step's file under a name that tells it apart in tables: NAME-01-prune-s0.onnx."""
        target = self.root / "networks" / f"{recipe.name}-{step:02d}-{name}-s{seed}{source.suffix}"
        target.parent.mkdir(exist_ok=True)
        if not target.exists() or target.read_bytes() != source.read_bytes():
            temporary = target.with_suffix(".part")
            shutil.copyfile(source, temporary)
            temporary.replace(target)
        return target


def prepare(recipe: TrainingRecipe, path: Path, out: Path | None) -> Folder:
    """The run's folder, made or found again; ``claim`` it under its lock before anything is written there.

    Raises UsageError train.run-differs, train.missing-file; InfrastructureError host.not-writable.
    """
    root = out or Path(".farm") / "optimize" / recipe.name
    folder = Folder(Path(os.path.abspath(root)))  # noqa: PTH100 - resolving would follow links
    wanted = _identity(recipe, path.parent)
    with _usable(folder):
        folder.root.mkdir(parents=True, exist_ok=True)
    _compare(folder, wanted, path.parent)
    return folder


def claim(folder: Folder, recipe: TrainingRecipe, path: Path) -> None:
    """Make the folder this recipe's, which no other one may have become meanwhile. Raises as ``prepare``."""
    wanted = _identity(recipe, path.parent)
    _compare(folder, wanted, path.parent)
    with _usable(folder):
        write_json(folder.root / IDENTITY, wanted)


@contextmanager
def _usable(folder: Folder) -> Iterator[None]:
    try:
        yield
    except (OSError, TypeError, ValueError) as error:
        text = getattr(error, "strerror", None) or str(error)
        raise InfrastructureError(
            f"cannot use {folder.root}: {text}", code="host.not-writable", fix="choose another --out"
        ) from error


def _compare(folder: Folder, wanted: Mapping[str, str], base: Path) -> None:
    """Refuse a folder that holds a run of another recipe, or of modules that were changed since."""
    file = folder.root / IDENTITY
    with _usable(folder):
        found = dict(json.loads(file.read_bytes())) if file.exists() else None
    loaded = {
        key.removeprefix(identity.FILE): digest
        for key, digest in (identity.read(folder.facts) or {}).items()
        if key.startswith(identity.FILE)
    }
    if found is not None:
        now = {name: _sha256(base / name) if (base / name).is_file() else "" for name in loaded}
        found, wanted = {**loaded, **found}, {**now, **wanted}
    if found is not None and found != wanted:
        changed = sorted(k for k in {*found, *wanted} if found.get(k) != wanted.get(k))
        raise UsageError(
            f"{folder.root} holds a run of something else: {', '.join(changed)} changed since it began",
            code="train.run-differs",
            fix="choose another --out, or remove that folder to begin anew",
        )


def _identity(recipe: TrainingRecipe, base: Path) -> dict[str, str]:
    """What decides the numbers: the recipe without [bench], and every file it names, by sha256."""
    entries = [entry for _, entry in identity.entries(codec.encode(recipe))]
    files = {entry.rpartition(":")[0] for entry in entries if entry.rpartition(":")[0].endswith(".py")}
    files |= {
        f"{module.replace('.', '/')}.py"
        for entry in entries
        if (module := entry.rpartition(":")[0]) and (base / f"{module.replace('.', '/')}.py").is_file()
    }
    weights = {name for name in (recipe.weights, recipe.teacher_weights) if name}
    return {
        "recipe": recipe.training_sha256,
        **{name: _sha256(base / name) for name in sorted(files | weights)},
    }


def _sha256(path: Path) -> str:
    try:
        if path.is_dir():
            return "folder"
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UsageError(
            f"{path}: {error.strerror}",
            code="train.missing-file",
            fix="correct the name in the recipe; it counts from the recipe's folder",
        ) from error


def compressed_bytes(path: Path) -> int:
    """Size after deflate at level 9, as a zip or an over-the-air update would carry it."""
    packer, size = zlib.compressobj(9), 0
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            size += len(packer.compress(chunk))
    return size + len(packer.flush())


def kept(path: Path, key: str) -> list[Mapping[str, Any]] | None:
    """Measurements of an earlier call under the same key."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    rows = found.get("rows") if isinstance(found, dict) and found.get("key") == key else None
    return rows if isinstance(rows, list) else None
