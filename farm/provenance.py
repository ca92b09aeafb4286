"""How an artifact came to be, as results tell it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    from farm.datasets import Ready
    from farm_converters.recipe import Artifact, Recipe


def calibration(recipe: Recipe | None, ready: Ready | None, artifact: Artifact) -> str:
    """What the artifact was calibrated on, and how many of these samples accuracy is counted on, too.

    They are known by their values, whatever file they came from. Raises JobError data.unreadable.
    """
    from farm_converters.calibration import DATA
    from farm_results.evidence.precision import SAME_DATA

    used = recipe.calibration if recipe is not None else None
    if not artifact.calibration or ready is None or used is None or used.kind != DATA:
        return artifact.calibration
    seen = shared(used.path, ready.path)
    return f"{artifact.calibration}, {seen}{SAME_DATA}" if seen else artifact.calibration


@lru_cache(maxsize=32)
def shared(calibration_path: Path, dataset_path: Path) -> int:
    """How many of the calibration's samples (of a batch, any of its samples) are in the data set.

    Both files are named by their hash.
    """
    from farm_agent import feed

    dataset, used = feed.load_npz(str(dataset_path)), feed.load_npz(str(calibration_path))
    names = sorted(name for name in dataset if name.startswith("in."))
    columns = [feed.read(dataset, name) for name in names]
    sizes = [int(column[:1].size) for column in columns]  # of one sample; a calibration holds batches of them
    if not sizes or not all(sizes):
        return 0
    batches = [feed.read(used, name) for name in names]
    wanted = list(_rows(batches, sizes))
    among = set(wanted)
    found = {row for row in _rows(columns, sizes) if row in among}
    batch = len(wanted) // len(batches[0])
    return sum(not found.isdisjoint(wanted[at : at + batch]) for at in range(0, len(wanted), batch))


def _rows(columns: list[np.ndarray[Any, Any]], sizes: list[int]) -> Iterator[bytes]:
    """Each sample's values over all inputs, as bytes."""
    flat = [column.reshape(-1, size) for column, size in zip(columns, sizes, strict=True)]
    for parts in zip(*flat, strict=True):
        yield b"".join(part.tobytes() for part in parts)


def about(artifact: Artifact, calibrated: str) -> dict[str, Any]:
    """How the artifact came to be, for the result's document; ``calibrated``: see ``calibration``."""
    from farm_agent import codec

    return {
        "key": artifact.key,
        "format": artifact.spec.format,
        "check": codec.encode(artifact.check),
        "toolchain": dict(artifact.toolchain),
        "seconds": artifact.seconds,
        "cached": artifact.cached,
        "caveats": list(artifact.caveats),
        "calibration": calibrated,
    }
