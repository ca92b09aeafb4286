"""Samples of an .npz: an array per input, and labels. Only the arrays that are needed are read."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_converters.model import InputSpec
from farm_converters.readers import labels
from farm_converters.readers.asked import Asked
from farm_converters.readers.samples import MAX_BYTES

if TYPE_CHECKING:
    import numpy as np

LABELS = ("labels", "y")
ONLY_INPUT = ("x", "images", "inputs", "q")
EXTRAS = ("scale", "zero_point")


def fits(path: Path) -> bool:
    """By name, or by being a zip archive."""
    return path.is_file() and (path.suffix.lower() == ".npz" or zipfile.is_zipfile(path))


def open_samples(path: Path, choices: Mapping[str, str], asked: Asked) -> NpzSamples:
    """Arrays called like the inputs (or x, images, inputs, q when there is one), [N, ...], and labels or y.

    ``choices``: other names, by input (x for the only one) and y. Raises UsageError data.unreadable,
    .too-large, .names, .count, .labels (or calib.*).
    """
    archive = _Archive(path, asked)
    inputs = asked.model.inputs
    allowed = {*(item.name for item in inputs), "y", *(("x",) if len(inputs) == 1 else ())}
    if unknown := set(choices) - allowed:
        text = (
            f"{path}: {', '.join(sorted(unknown))} is no input; the choices are {', '.join(sorted(allowed))}"
        )
        raise asked.error(text, "names", "write FILE.npz:x=ARRAY,y=ARRAY")
    arrays = {item.name: archive.read(_name_of(item, archive, choices, asked)) for item in inputs}
    counts = {name: len(array) if array.ndim else 0 for name, array in arrays.items()}
    if len(set(counts.values())) > 1 or 0 in counts.values():
        raise asked.error(
            f"{path}: the arrays hold different numbers of samples, or none: {counts}",
            "count" if 0 not in counts.values() else "empty",
            "the first axis of each array counts the samples",
        )
    found = _labels(archive, choices, asked) if asked.labels else None
    count = next(iter(counts.values()), 0)
    if found is not None and len(found) != count:
        raise asked.error(
            f"{path}: {len(found)} labels for {count} samples", "count", "give as many labels as samples"
        )
    extras = {name: archive.read(name) for name in EXTRAS if name in archive.names}
    return NpzSamples(path, arrays, found, extras)


class NpzSamples:
    """See ``Samples``."""

    classes: tuple[str, ...] = ()
    pictures = False
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        path: Path,
        arrays: Mapping[str, np.ndarray[Any, Any]],
        found: np.ndarray[Any, Any] | None,
        extras: Mapping[str, np.ndarray[Any, Any]],
    ) -> None:
        self._path, self._arrays = path, arrays
        self.labels, self.extras = found, extras
        self.count = len(next(iter(arrays.values()))) if arrays else 0

    def where(self, index: int) -> str:
        """The file and the sample's number."""
        return f"{self._path} sample {index}"

    def read(self, index: int) -> dict[str, np.ndarray[Any, Any]]:
        """A view of each array."""
        return {name: array[index] for name, array in self._arrays.items()}


def _name_of(item: InputSpec, archive: _Archive, choices: Mapping[str, str], asked: Asked) -> str:
    only = len(asked.model.inputs) == 1
    chosen = choices.get(item.name, choices.get("x", "") if only else "")
    if chosen:
        if chosen not in archive.names:
            what = f"{archive.path}: no array {chosen}; it has {archive.listing}"
            raise asked.error(what, "names", "name one of its arrays")
        return chosen
    tried = [item.name, *(ONLY_INPUT if only else ())]
    name = next((name for name in tried if name in archive.names), "")
    if not name:
        what = f"{archive.path}: no array for the input {item.name}; it has {archive.listing}"
        example = archive.names[0] if archive.names else "ARRAY"
        key = "x" if only else item.name
        fix = f"call it {item.name}, or choose one: {archive.path.name}:{key}={example}"
        raise asked.error(what, "names", fix)
    return name


def _labels(archive: _Archive, choices: Mapping[str, str], asked: Asked) -> np.ndarray[Any, Any] | None:
    names: Sequence[str] = (choices["y"],) if "y" in choices else LABELS
    name = next((name for name in names if name in archive.names), "")
    if not name and "y" in choices:
        what = f"{archive.path}: no array {choices['y']}; it has {archive.listing}"
        raise asked.error(what, "names", "name one of its arrays")
    return labels.from_array(archive.path, name, archive.read(name), asked) if name else None


class _Archive:
    """The members of an .npz, each looked at before it is unpacked."""

    def __init__(self, path: Path, asked: Asked) -> None:
        self.path, self._asked = path, asked
        try:
            with zipfile.ZipFile(path) as archive:
                self.names = tuple(
                    name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")
                )
        except Exception as error:
            raise self._unreadable(str(error)) from error

    @property
    def listing(self) -> str:
        """The arrays' names for a message."""
        shown = ", ".join(sorted(self.names)[:20]) or "nothing"
        return f"{shown}, ..." if len(self.names) > 20 else shown

    def read(self, name: str) -> np.ndarray[Any, Any]:
        """One array. Raises UsageError data.unreadable, .too-large."""
        import numpy as np

        try:
            with zipfile.ZipFile(self.path) as archive:
                info = archive.getinfo(f"{name}.npy")
                if info.file_size > MAX_BYTES:
                    what = f"{self.path}: {name} unpacks to {info.file_size / 2**30:.1f} GiB"
                    raise self._asked.error(what, "too-large", "give fewer samples")  # noqa: TRY301
                with archive.open(info) as member:
                    claimed = _claimed_bytes(member)
                if claimed > info.file_size:
                    raise self._unreadable(f"{name} claims {claimed} bytes and holds {info.file_size}")  # noqa: TRY301
                with archive.open(info) as member:
                    return np.lib.format.read_array(member, allow_pickle=False)
        except Exception as error:
            if hasattr(error, "fix"):
                raise
            raise self._unreadable(f"{name}: {error}") from error

    def _unreadable(self, why: str) -> Exception:
        what = f"{self.path}: it cannot be read as .npz ({why})"
        return self._asked.error(what, "unreadable", "save it with numpy.savez, without objects")


def _claimed_bytes(member: Any) -> int:  # noqa: ANN401 - a file of a zip archive
    import numpy as np

    version = np.lib.format.read_magic(member)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(member)
    if dtype.hasobject:
        raise ValueError("it holds Python objects, which are never unpacked")
    return math.prod(shape) * int(dtype.itemsize)
