"""A folder of samples: a sub-folder per class, or files without classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_converters.readers import labels, pictures
from farm_converters.readers.asked import Asked
from farm_converters.readers.samples import MAX_SAMPLES

if TYPE_CHECKING:
    import numpy as np


def fits(path: Path) -> bool:
    """Every folder."""
    return path.is_dir()


def open_samples(path: Path, choices: Mapping[str, str], asked: Asked) -> FileSamples:
    """``CLASS/*.png|jpg|jpeg|bmp|npy``; the classes are numbered by labels.txt, by their names where these
    are integers, else in sorted order. Files that lie in the folder itself have no labels.

    Raises UsageError data.empty, .mixed, .labels, .names (or calib.*).
    """
    if choices:
        raise asked.error(f"{path}: a folder has no arrays to choose", "names", "name the folder alone")
    groups = sorted(entry for entry in path.iterdir() if entry.is_dir() and not _hidden(entry))
    own, ignored = _files(path)
    if not groups:
        return FileSamples(path, own, None, (), asked, ignored)
    if own:
        raise asked.error(
            f"{path}: {own[0].name} lies beside the folders of the classes",
            "mixed",
            "move it into the folder of its class",
        )
    found = [_files(group) for group in groups]
    files = [file for inside, _ in found for file in inside]
    if not asked.labels or not files:
        return FileSamples(path, files, None, (), asked, ignored)
    empty = [group.name for group, (inside, _) in zip(groups, found, strict=True) if not inside]
    if files and empty:
        raise asked.error(
            f"{path}: no samples in the folder of the class {empty[0]!r}",
            "empty",
            "remove the empty folder, or put samples into it",
        )
    words = [group.name for group, (inside, _) in zip(groups, found, strict=True) for _ in inside]
    known = labels.listed(path, asked)
    ignored += [name for _, left in found for name in left]
    if known or all(word.isdecimal() for word in words):
        numbers, classes = labels.from_names(path, words, known, asked, lambda k: str(files[k]))
    else:
        numbers, classes = labels.sorted_classes(words)
    return FileSamples(path, files, numbers, classes, asked, ignored)


class FileSamples:
    """A file per sample; see ``Samples``."""

    def __init__(
        self,
        path: Path,
        files: Sequence[Path],
        found: np.ndarray[Any, Any] | None,
        classes: tuple[str, ...],
        asked: Asked,
        ignored: Sequence[str] = (),
        places: Sequence[str] = (),
    ) -> None:
        if not files:
            known = ", ".join((*pictures.IMAGES, pictures.ARRAY))
            raise asked.error(f"{path}: no samples ({known}) in it", "empty", "put samples into it")
        if len(files) > MAX_SAMPLES:
            raise asked.error(f"{path}: {len(files)} samples", "too-large", "give fewer samples")
        if len(asked.model.inputs) != 1:
            what = f"{path}: a file holds one array, and the model has {len(asked.model.inputs)} inputs"
            raise asked.error(what, "names", "give an .npz with an array per input")
        kinds = [pictures.is_image(file) for file in files]
        if len(set(kinds)) > 1:
            other = files[kinds.index(not kinds[0])]
            what = f"{path}: {files[0].name} and {other.name}: images and arrays are mixed"
            raise asked.error(what, "mixed", "keep one kind")
        self._files, self._asked, self._places = files, asked, places
        self._input = asked.model.inputs[0].name
        self.count, self.labels, self.classes = len(files), found, classes
        self.pictures = kinds[0]
        self.extras: Mapping[str, np.ndarray[Any, Any]] = {}
        self.notes: tuple[str, ...] = (_told(ignored),) if ignored else ()

    def where(self, index: int) -> str:
        """The file (and the row that names it)."""
        place = f"{self._places[index]}: " if self._places else ""
        return f"{place}{self._files[index]}"

    def read(self, index: int) -> dict[str, np.ndarray[Any, Any]]:
        """Decode the file."""
        return {self._input: pictures.read(self._files[index], self._asked)}


def _files(folder: Path) -> tuple[list[Path], list[str]]:
    """Samples in order of their names, and the other files' names."""
    entries = sorted(entry for entry in folder.iterdir() if not _hidden(entry) and not entry.is_dir())
    samples = [entry for entry in entries if pictures.is_sample(entry)]
    others = [entry.name for entry in entries if not pictures.is_sample(entry) and entry.name != labels.FILE]
    return samples, others


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _told(ignored: Sequence[str]) -> str:
    more = f" and {len(ignored) - 3} more" if len(ignored) > 3 else ""
    return f"left out, neither image nor .npy: {', '.join(ignored[:3])}{more}"
