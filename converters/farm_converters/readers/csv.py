"""Samples of a table: a column of files, or columns of numbers; and a column of labels."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from farm_converters.readers import labels
from farm_converters.readers.asked import Asked
from farm_converters.readers.folder import FileSamples
from farm_converters.readers.samples import MAX_SAMPLES

if TYPE_CHECKING:
    import numpy as np

    from farm_converters.readers.samples import Samples

MAX_FILE_BYTES = 1 << 30
FILES = ("file", "filename", "path", "image")
LABELS = ("label", "labels", "class", "y", "target")


def fits(path: Path) -> bool:
    """By name."""
    return path.is_file() and path.suffix.lower() == ".csv"


def open_samples(path: Path, choices: Mapping[str, str], asked: Asked) -> Samples:
    """With a column ``file`` (paths, relative to the table's folder) the samples are these files; else every
    column but the label is a feature, in the table's order. ``choices``: x and y name the columns.

    Raises UsageError data.unreadable, .too-large, .names, .empty, .missing, .labels, .shape, .values.
    """
    header, rows = _rows(path, asked)
    if unknown := set(choices) - {"x", "y"}:
        what = f"{path}: {', '.join(sorted(unknown))} cannot be chosen"
        raise asked.error(what, "names", f"write {path.name}:x=COLUMN,y=COLUMN")
    files = _column(path, header, choices.get("x"), FILES, asked)
    label = _column(path, header, choices.get("y"), LABELS, asked)
    if files is not None and all(_is_float(row[files]) for row in rows):  # one feature, chosen by name
        return _features(path, [files], label, rows, asked)
    if files is None:
        columns = [at for at in range(len(header)) if at != label]
        return _features(path, columns, label, rows, asked)
    places = [f"{path} row {number}" for number in range(2, len(rows) + 2)]
    named = [path.parent / row[files] for row in rows]
    for place, row, file in zip(places, rows, named, strict=True):
        if not row[files] or "\0" in row[files] or not file.is_file():
            what = f"{place}: there is no file {row[files]!r} (looked for {file})"
            raise asked.error(what, "missing", "correct the path; it is relative to the table's folder")
    found, classes = _labels(path, label, rows, asked)
    return FileSamples(path, named, found, classes, asked, places=places)


class RowSamples:
    """A row per sample; see ``Samples``."""

    pictures = False
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        path: Path,
        name: str,
        values: np.ndarray[Any, Any],
        found: np.ndarray[Any, Any] | None,
        classes: tuple[str, ...],
    ) -> None:
        self._path, self._name, self._values = path, name, values
        self.count, self.labels, self.classes = len(values), found, classes
        self.extras: Mapping[str, np.ndarray[Any, Any]] = {}

    def where(self, index: int) -> str:
        """The row as an editor counts it."""
        return f"{self._path} row {index + 2}"

    def read(self, index: int) -> dict[str, np.ndarray[Any, Any]]:
        """The row's features."""
        return {self._name: self._values[index]}


def _rows(path: Path, asked: Asked) -> tuple[list[str], list[list[str]]]:
    if path.stat().st_size > MAX_FILE_BYTES:
        raise asked.error(f"{path}: larger than 1 GiB", "too-large", "give an .npz")
    fix = "write a header and comma-separated rows in UTF-8"
    rows: list[list[str]] = []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            header = [name.strip() for name in next(reader, [])]
            for row in reader:
                if not any(field.strip() for field in row):
                    continue
                if len(row) != len(header):
                    what = f"{path} line {reader.line_num}: {len(row)} fields under {len(header)} columns"
                    raise asked.error(what, "unreadable", fix)
                if len(rows) >= MAX_SAMPLES:
                    raise asked.error(f"{path}: over {MAX_SAMPLES} rows", "too-large", "give fewer samples")
                rows.append([field.strip() for field in row])
    except (csv.Error, ValueError) as error:
        raise asked.error(f"{path}: it cannot be read as CSV ({error})", "unreadable", fix) from error
    if len(set(header)) != len(header):
        raise asked.error(f"{path}: two columns have the same name", "names", "name each column once")
    if not rows:
        raise asked.error(f"{path}: no rows in it", "empty", fix)
    return header, rows


def _column(
    path: Path, header: Sequence[str], chosen: str | None, usual: Sequence[str], asked: Asked
) -> int | None:
    if chosen is not None:
        if chosen not in header:
            what = f"{path}: no column {chosen}; it has {', '.join(header[:20])}"
            raise asked.error(what, "names", "name one of its columns")
        return header.index(chosen)
    return next((header.index(name) for name in usual if name in header), None)


def _labels(
    path: Path, at: int | None, rows: Sequence[Sequence[str]], asked: Asked
) -> tuple[np.ndarray[Any, Any] | None, tuple[str, ...]]:
    if at is None or not asked.labels:
        return None, ()
    words = [row[at] for row in rows]
    for row, word in enumerate(words):
        if not word:
            raise asked.error(f"{path} row {row + 2}: it has no label", "labels", "label every row, or none")
    known = labels.listed(path.parent, asked)
    if all(_is_float(word) for word in words):
        known = ()  # numbers are numbers, whatever names lie beside them
    return labels.from_names(path, words, known, asked, lambda k: f"{path} row {k + 2}")


def _features(
    path: Path, columns: Sequence[int], label: int | None, rows: Sequence[Sequence[str]], asked: Asked
) -> RowSamples:
    import numpy as np

    if len(asked.model.inputs) != 1 or not columns:
        what = f"{path}: {len(columns)} feature columns for {len(asked.model.inputs)} inputs"
        raise asked.error(what, "names", "give an .npz with an array per input")
    item = asked.model.inputs[0]
    kind = np.dtype(item.dtype) if item.dtype in ("float64", "int32", "int64") else np.dtype("float32")
    values = np.empty((len(rows), len(columns)), kind)
    for number, row in enumerate(rows):
        for place, at in enumerate(columns):
            try:
                values[number, place] = int(row[at]) if kind.kind == "i" else float(row[at])
            except (ValueError, OverflowError):
                what = f"{path} row {number + 2}: {row[at][:40]!r} is no number for {kind}"
                fix = "every column but the label holds numbers; a column called file names files"
                raise asked.error(what, "values", fix) from None
    found, classes = _labels(path, label, rows, asked)
    return RowSamples(path, item.name, values, found, classes)


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
