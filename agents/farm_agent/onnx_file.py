"""Read the graph of an ONNX file with the standard library alone: nodes, and the types of constants.

The agent has no onnx. The file is read strictly (protobuf wire format) and lazily: of a tensor only its type,
dimensions and name are looked at, never its data. Field numbers: onnx.proto of ONNX 1.23.
"""

from __future__ import annotations

import mmap
from dataclasses import dataclass, field
from pathlib import Path
from typing import Dict, Iterator, List, Tuple, Union

LIMIT_BYTES = 2**31
MAX_DEPTH = 16  # graphs within graphs
MAX_NODES = 1_000_000
MAX_RANK = 64

Field = Tuple[int, Union[int, "memoryview"]]


class Malformed(ValueError):
    """The file is not what ONNX's protobuf says."""


@dataclass(frozen=True)
class Constant:
    """``data_type``: TensorProto.DataType; ``elements``: product of the dimensions."""

    data_type: int
    elements: int
    rank: int


@dataclass(frozen=True)
class Node:
    """``integers``: its integer attributes, as unsigned numbers."""

    op_type: str
    inputs: Tuple[str, ...]
    outputs: Tuple[str, ...]
    integers: Dict[str, int]


@dataclass
class Graph:
    """One graph; those inside of its nodes stand beside it in the answer of ``read``."""

    nodes: List[Node] = field(default_factory=list)
    constants: Dict[str, Constant] = field(default_factory=dict)


def read(path: Path) -> List[Graph]:
    """The main graph, every graph inside it and every function's body. Raises Malformed, OSError."""
    with path.open("rb") as file:
        if not 0 < path.stat().st_size <= LIMIT_BYTES:
            raise Malformed("empty, or larger than a protobuf can be")
        # closed with the last view of it: an error still holds some
        return _model(memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)))


def _model(view: memoryview) -> List[Graph]:
    graphs: List[Graph] = []
    for number, value in fields(view):
        if number == 7:  # graph
            _graph(_bytes(value), graphs, 0)
        elif number == 25:  # functions: like a graph, but their nodes are field 7
            graph = Graph()
            graphs.append(graph)
            for inner, part in fields(_bytes(value)):
                if inner == 7:
                    _node(_bytes(part), graph, graphs, 0)
    return graphs


def _graph(view: memoryview, graphs: List[Graph], depth: int) -> None:
    if depth > MAX_DEPTH:
        raise Malformed("graphs are nested too deeply")
    graph = Graph()
    graphs.append(graph)
    for number, value in fields(view):
        if number == 1:
            _node(_bytes(value), graph, graphs, depth)
        elif number == 5:
            name, constant = _tensor(_bytes(value))
            graph.constants[name] = constant


def _node(view: memoryview, graph: Graph, graphs: List[Graph], depth: int) -> None:
    if len(graph.nodes) >= MAX_NODES:
        raise Malformed("too many nodes")
    inputs: List[str] = []
    outputs: List[str] = []
    integers: Dict[str, int] = {}
    op_type = ""
    held: List[Constant] = []
    for number, value in fields(view):
        if number == 1:
            inputs.append(_text(value))
        elif number == 2:
            outputs.append(_text(value))
        elif number == 4:
            op_type = _text(value)
        elif number == 5:
            _attribute(_bytes(value), integers, held, graphs, depth)
    graph.nodes.append(Node(op_type, tuple(inputs), tuple(outputs), integers))
    if op_type == "Constant" and held and outputs:
        graph.constants[outputs[0]] = held[0]


def _attribute(
    view: memoryview, integers: Dict[str, int], held: List[Constant], graphs: List[Graph], depth: int
) -> None:
    name = ""
    for number, value in fields(view):
        if number == 1:
            name = _text(value)
        elif number == 3 and isinstance(value, int):
            integers[name] = value
        elif number == 5:
            held.append(_tensor(_bytes(value))[1])
        elif number in (6, 11):
            _graph(_bytes(value), graphs, depth + 1)


def _tensor(view: memoryview) -> Tuple[str, Constant]:
    name, data_type, dims = "", 0, []
    for number, value in fields(view):
        if number == 1:
            dims += [value] if isinstance(value, int) else list(_packed(value))
        elif number == 2 and isinstance(value, int):
            data_type = value
        elif number == 8:
            name = _text(value)
        if len(dims) > MAX_RANK:
            raise Malformed("a tensor of too many dimensions")
    elements = 1
    for size in dims:
        elements *= size
    if elements > LIMIT_BYTES * 8:
        raise Malformed("a tensor beyond any file")
    return name, Constant(data_type, elements, len(dims))


def fields(view: memoryview) -> Iterator[Field]:
    """Numbers and values of one message: an int, or the bytes of a length-delimited field."""
    position, end = 0, len(view)
    while position < end:
        key, position = _varint(view, position)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, position = _varint(view, position)
            yield number, value
            continue
        if kind == 2:
            size, position = _varint(view, position)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise Malformed(f"wire type {kind}")
        if number == 0 or size > end - position:
            raise Malformed("a field beyond its message")
        yield number, view[position : position + size]
        position += size


def _varint(view: memoryview, position: int) -> Tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(view) or shift > 63:
            raise Malformed("a number that does not end")
        byte = view[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7


def _packed(view: memoryview) -> Iterator[int]:
    position = 0
    while position < len(view):
        value, position = _varint(view, position)
        yield value


def _bytes(value: Union[int, memoryview]) -> memoryview:
    if isinstance(value, int):
        raise Malformed("a number where a message belongs")
    return value


def _text(value: Union[int, memoryview]) -> str:
    return bytes(_bytes(value)[:4096]).decode("utf-8", "replace")
