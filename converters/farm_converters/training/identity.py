"""What all processes of a run must have in common, so that numbers of two things never meet in one report.

The host compares the recipe and the files that it names before it starts anything. Only a training process
sees the rest: the samples that the user's function returns, the modules that the user's modules import, the
versions. The first one writes it down, each later one, of any seed, is held against that.
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters.training.contract import load_entry, write_json

FILE = "file "


def entries(recipe: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(key, entry point) of all user's functions in an encoded recipe."""
    for key in ("model", "data", "teacher"):
        yield key, recipe[key]
    for train in (recipe["train"], *(step["train"] for step in recipe["steps"])):
        yield "train.loss", train["loss"] if ":" in train["loss"] else ""
    for step in recipe["steps"]:
        yield "student", step["parameters"].get("student", "")


def load_entries(recipe: Mapping[str, Any], folder: Path) -> None:
    """Import every module that the recipe names: a missing one shows now, not after hours."""
    for key, entry in entries(recipe):
        if entry:
            load_entry(entry, folder, key)


def facts(folder: Path, framework: str, versions: Mapping[str, str]) -> dict[str, str]:
    """Versions, farm's training code, and the user's modules loaded so far, below ``folder``, by sha256."""
    here = Path(__file__).parent
    code = hashlib.sha256()
    for path in sorted([*here.glob("*.py"), *(here / framework).glob("*.py")]):
        code.update(f"{path.name}\0{_digest(path)}\0".encode())
    found = {f"version of {name}": version for name, version in versions.items()}
    return {**found, "farm's training code": code.hexdigest(), **_modules(folder)}


def _modules(folder: Path) -> dict[str, str]:
    files = [Path(str(getattr(module, "__file__", None) or "")) for module in list(sys.modules.values())]
    return {
        f"{FILE}{path.relative_to(folder)}": _digest(path)
        for path in sorted(set(files))
        if path.suffix == ".py" and path.is_relative_to(folder) and "site-packages" not in path.parts
    }


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def samples(arrays: Iterable[Any]) -> str:
    """sha256 of numpy arrays with their types and shapes."""
    import numpy as np

    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.dtype.str}{array.shape}".encode())
        sha.update(np.ascontiguousarray(array).view("uint8").data)
    return sha.hexdigest()


def agree(path: Path, found: Mapping[str, str]) -> None:
    """Write ``found`` to ``path``, or compare it with what the run's first process wrote there.

    Raises JobError train.data-changes for other samples, UsageError train.run-differs for all else.
    """
    before = read(path)
    if before is None:
        write_json(path, dict(found))
        return
    changed = sorted(key for key in {*before, *found} if before.get(key) != found.get(key))
    data = [key for key in changed if key.startswith("data")]
    if data:
        raise JobError(
            f"{', '.join(data)} gives other samples than when the run began: seeds and steps could not be "
            "compared",
            code="train.data-changes",
            fix="return the same samples on every call, or begin anew with another --out",
        )
    if changed:
        raise UsageError(
            f"{', '.join(changed)} changed since the run began",
            code="train.run-differs",
            fix="choose another --out, or remove the run's folder to begin anew",
        )


def read(path: Path) -> dict[str, str] | None:
    """What ``agree`` wrote; None where there is nothing that can be read."""
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    return {str(key): str(value) for key, value in found.items()} if isinstance(found, dict) else None
