"""Inside the sandbox: which operations of an OpenVINO model came of which nodes of the source.

OpenVINO's reader names every tensor as ONNX does, and each operation that comes out of its fusions lists the
operations that went into it ("fused names").
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from farm_converters import exclude

_COUNTED = re.compile(r"([A-Z][A-Za-z0-9]*)_[0-9]+")


@dataclass(frozen=True)
class Fused:
    """``model``: an openvino.Model, fused like convert_model does it; ``ignored``: its operations that stay
    in floats; ``named``: names that come from the source, in contrast to those that OpenVINO counts up."""

    model: Any
    ignored: tuple[str, ...]
    named: frozenset[str]


def read(path: str, request: Mapping[str, Any]) -> Fused:
    """Read and fuse an ONNX file. Raises JobError convert.exclude-unknown."""
    import openvino
    from openvino import _offline_transformations as passes

    model = openvino.Core().read_model(path)
    meant = _excluded(model, request)
    named = {op.get_friendly_name() for op in model.get_ops() if op.get_friendly_name() != op.get_name()}
    passes.apply_moc_transformations(model, cf=False, smart_reshape=True)
    passes.compress_quantize_weights_transformation(model)
    ignored = [op.get_friendly_name() for op in model.get_ops() if meant & _fused(op)]
    passes.apply_fused_names_cleanup(model)
    return Fused(model, tuple(ignored), frozenset(named))


def renumber(model: Any, named: Collection[str]) -> None:  # noqa: ANN401 - openvino.Model
    """Count names that OpenVINO made up (Constant_4711) anew, in the graph's order: its own counters run over
    threads, so that no two conversions would give the same file."""
    fresh: dict[str, str] = {}
    for op in model.get_ordered_ops():
        name = op.get_friendly_name()
        parts = name.split("/")
        counted = _COUNTED.fullmatch(parts[0])
        if counted and not any("/".join(parts[:size]) in named for size in range(1, len(parts) + 1)):
            head = fresh.setdefault(parts[0], f"{counted.group(1)}_{len(fresh)}")
            op.set_friendly_name("/".join([head, *parts[1:]]))


def _excluded(model: Any, request: Mapping[str, Any]) -> set[str]:  # noqa: ANN401 - openvino.Model
    """Names of the fresh model's operations that the source's excluded nodes became."""
    if not request["exclude"]:
        return set()
    import onnx

    source = onnx.load(request["source"])
    exclude.name_nodes(source)
    chosen = exclude.select(source, request["exclude"])
    if request["model"] != request["source"]:
        simplified = onnx.load(request["model"])
        exclude.name_nodes(simplified)
        chosen, source = exclude.surviving(source, simplified, chosen), simplified
    tensors = {name for node in source.graph.node if node.name in chosen for name in node.output if name}
    return _inside(model, tensors) | set(chosen)


def _inside(model: Any, tensors: set[str]) -> set[str]:  # noqa: ANN401 - openvino.Model
    """Operations that make the tensors, with those before them whose outputs bear no name of their own."""
    stack = [op for op in model.get_ops() for port in op.outputs() if tensors & set(port.get_names())]
    found: set[str] = set()
    while stack:
        op = stack.pop()
        if op.get_friendly_name() in found:
            continue
        found.add(op.get_friendly_name())
        for port in op.inputs():
            source = port.get_source_output()
            if not source.get_names():
                stack.append(source.get_node())
    return found


def _fused(op: Any) -> set[str]:  # noqa: ANN401 - openvino.Node
    info = op.get_rt_info()
    names = {str(info[key].astype(str)) for key in info.keys() if key.startswith("fused_names")}  # noqa: SIM118
    return {op.get_friendly_name(), *(name for text in names for name in text.split(","))}
