"""Read the graphs of a .tflite file with the standard library alone: operators, tensors, constants.

LiteRT's own description of a tensor does not tell 4-bit integers from 8-bit ones, nor constants from states.
The file is read strictly: every offset is checked before it is followed, counts are bounded by the file's
size, and no data of a constant are looked at. Slots and numbers: TFLite's schema, version 3.
"""

from __future__ import annotations

import mmap
import struct
from pathlib import Path
from typing import List, Tuple

from farm_agent.late import dataclass

LIMIT_BYTES = 2**31
MAX_RANK = 64
MAX_NAME = 4096
# In all lists together, 32 bytes of a name for one: several may point to the same place.
MAX_ITEMS = 4_000_000


class Malformed(ValueError):
    """The file is no TFLite flatbuffer."""


@dataclass(frozen=True)
class Tensor:
    """``kind``: number of the schema's TensorType. ``signature``: the shape with -1 for free dimensions.
    ``scales`` and ``zero_points``: how many it has; their first value. ``constant``: it has data."""

    name: str
    kind: int
    shape: Tuple[int, ...]
    signature: Tuple[int, ...]
    constant: bool
    variable: bool
    scales: int = 0
    scale: float = 0.0
    zero_point: int = 0


@dataclass(frozen=True)
class Operator:
    """``code``: number of the schema's BuiltinOperator; ``custom``: name of a custom operator. Tensors by
    index, -1 where an optional one is missing."""

    code: int
    custom: str
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]


@dataclass(frozen=True)
class Graph:
    """One subgraph; the first is the model."""

    tensors: Tuple[Tensor, ...]
    inputs: Tuple[int, ...]
    outputs: Tuple[int, ...]
    operators: Tuple[Operator, ...]


@dataclass(frozen=True)
class File:
    """``description``: what the converter wrote about itself."""

    version: int
    description: str
    graphs: Tuple[Graph, ...]
    signatures: int


def read(path: Path) -> File:
    """Everything but the data. Raises Malformed, OSError."""
    with path.open("rb") as file:
        size = path.stat().st_size
        if not 8 <= size <= LIMIT_BYTES:
            raise Malformed("too short or too long for a TFLite model")
        view = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        try:
            return _file(_Reader(view))
        except (struct.error, IndexError, OverflowError) as error:
            raise Malformed("an offset beyond the file") from error


def _file(reader: _Reader) -> File:
    if bytes(reader.view[4:8]) != b"TFL3":
        raise Malformed("not a TFLite model of version 3")
    root = reader.table_at(0)
    buffers = [reader.has_data(table) for table in reader.tables(root, 4)]
    codes = []
    for table in reader.tables(root, 1):
        old, new = reader.number(table, 0, "<b", 0), reader.number(table, 3, "<i", 0)
        codes.append((max(old, new), reader.text(table, 1)))
    graphs = tuple(_graph(reader, table, buffers, codes) for table in reader.tables(root, 2))
    version = reader.number(root, 0, "<I", 0)
    return File(version, reader.text(root, 3), graphs, len(reader.tables(root, 7)))


def _graph(reader: _Reader, table: int, buffers: List[bool], codes: List[Tuple[int, str]]) -> Graph:
    tensors = tuple(_tensor(reader, item, buffers) for item in reader.tables(table, 0))
    operators = []
    for item in reader.tables(table, 3):
        index = reader.number(item, 0, "<I", 0)
        if index >= len(codes):
            raise Malformed("an operator without a code")
        inputs = _indices(reader.integers(item, 1), len(tensors))
        operators.append(Operator(*codes[index], inputs, _indices(reader.integers(item, 2), len(tensors))))
    inputs = _indices(reader.integers(table, 1), len(tensors))
    return Graph(tensors, inputs, _indices(reader.integers(table, 2), len(tensors)), tuple(operators))


def _tensor(reader: _Reader, table: int, buffers: List[bool]) -> Tensor:
    shape, signature = reader.integers(table, 0), reader.integers(table, 7)
    buffer = reader.number(table, 2, "<I", 0)
    if len(shape) > MAX_RANK or (buffers and buffer >= len(buffers)) or any(size < 0 for size in shape):
        raise Malformed("a tensor with an impossible shape or buffer")
    quantisation = reader.table(table, 4)
    scales, scale, zero_point = 0, 0.0, 0
    if quantisation:
        start, scales = reader.vector(quantisation, 2, 4)
        scale = reader.unpack("<f", start) if scales else 0.0
        points, count = reader.vector(quantisation, 3, 8)
        zero_point = reader.unpack("<q", points) if count else 0
    return Tensor(
        name=reader.text(table, 3),
        kind=reader.number(table, 1, "<b", 0),
        shape=shape,
        signature=signature if len(signature) == len(shape) else shape,
        constant=bool(buffers) and buffers[buffer],
        variable=bool(reader.number(table, 5, "<b", 0)),
        scales=scales,
        scale=scale,
        zero_point=zero_point,
    )


def _indices(numbers: Tuple[int, ...], count: int) -> Tuple[int, ...]:
    if any(not -1 <= number < count for number in numbers):
        raise Malformed("an operator or a graph names a tensor that is not there")
    return numbers


class _Reader:
    """Tables and vectors of a flatbuffer. A table is its position in the file; 0 stands for none."""

    def __init__(self, view: memoryview) -> None:
        self.view = view
        self._items = 0

    def unpack(self, form: str, position: int) -> int:
        """One number. ``struct`` itself refuses what lies beyond the end; what lies before, we do."""
        if position < 0:
            raise Malformed("an offset before the file")
        number: int = struct.unpack_from(form, self.view, position)[0]
        return number

    def table_at(self, position: int) -> int:
        """Follow the offset at ``position``."""
        table = position + self.unpack("<I", position)
        self._vtable(table)
        return table

    def table(self, table: int, slot: int) -> int:
        position = self._slot(table, slot)
        return self.table_at(position) if position else 0

    def number(self, table: int, slot: int, form: str, default: int) -> int:
        position = self._slot(table, slot)
        return self.unpack(form, position) if position else default

    def vector(self, table: int, slot: int, width: int) -> Tuple[int, int]:
        """Where a vector's elements begin, and how many there are; (0, 0) for none."""
        position = self._slot(table, slot)
        if not position:
            return 0, 0
        start = position + self.unpack("<I", position)
        count = self.unpack("<I", start)
        if start + 4 + count * width > len(self.view):
            raise Malformed("a list beyond the file")
        self._items += count if width > 1 else 1
        if self._items > MAX_ITEMS:
            raise Malformed("too many items")
        return start + 4, count

    def integers(self, table: int, slot: int) -> Tuple[int, ...]:
        start, count = self.vector(table, slot, 4)
        return struct.unpack_from(f"<{count}i", self.view, start) if count else ()

    def tables(self, table: int, slot: int) -> List[int]:
        start, count = self.vector(table, slot, 4)
        return [self.table_at(start + 4 * index) for index in range(count)]

    def text(self, table: int, slot: int) -> str:
        start, count = self.vector(table, slot, 1)
        self._items += min(count, MAX_NAME) // 32
        return bytes(self.view[start : start + min(count, MAX_NAME)]).decode("utf-8", "replace")

    def has_data(self, table: int) -> bool:
        """Whether a buffer holds anything, in the flatbuffer itself or behind it."""
        return self.vector(table, 0, 1)[1] > 0 or self.number(table, 2, "<Q", 0) > 1

    def _vtable(self, table: int) -> Tuple[int, int]:
        """Where the table's offsets lie, and how many bytes they take."""
        vtable = table - self.unpack("<i", table)
        return vtable, self.unpack("<H", vtable)

    def _slot(self, table: int, slot: int) -> int:
        """Position of a field; 0 where the table leaves it at its default."""
        vtable, size = self._vtable(table)
        place = 4 + 2 * slot
        if place + 2 > size:
            return 0
        offset = self.unpack("<H", vtable + place)
        return table + offset if offset else 0
