"""Inside the sandbox: rewrite an ONNX graph into what the TFLite converter handles well."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from farm_agent import tflite_file
from farm_converters import exclude, graph
from farm_converters.simplify import fold, slim

INPUT, OUTPUT = "in_{}", "out_{}"
KEPT, NEXT = "farmkept", "farmnext"
_KEPT, _NEXT = re.compile(f"{KEPT}({NEXT})?[0-9]+"), re.compile(f"({KEPT})?{NEXT}[0-9]+")


def prepare(request: dict[str, Any], workdir: Path) -> Path:
    """Write model.onnx for this rung: ``simplifier`` or ``simplifier-free``, where free leaves the
    converter to choose the outputs' layout. Inputs become in_0, in_1, ...; outputs out_0, out_1, ..."""
    import onnx

    simplifier, _, free = request["rung"].partition("-")
    model = onnx.load(request["model"])
    source = onnx.load(request["model"]) if request["exclude"] else None
    to_float32(model)
    if simplifier == "folded":
        model = fold(model, workdir)
    if simplifier in ("slim", "folded"):
        model = slim(model)
    if source is not None:
        mark(source, model, request["exclude"])
    rename(model)
    if not free:
        pin_outputs(model, [item["shape"] for item in request["outputs"]])
    graph.clean(model)
    model = graph.infer(model)
    path = workdir / "model.onnx"
    graph.save(model, path)
    return path


def control_flow(path: Path) -> list[str]:
    """Which operators of a prepared file hold subgraphs."""
    import onnx

    return sorted(graph.operators(onnx.load(str(path))) & {"If", "Loop", "Scan"})


def mark(source: Any, model: Any, patterns: Sequence[str]) -> None:  # noqa: ANN401 - ModelProtos
    """Name what must stay in floats, and what reads it, so that ``kept`` finds it again: the converter
    derives the names of all that it makes from those of nodes and tensors. Raises JobError
    convert.exclude-unknown."""
    exclude.name_nodes(source)
    exclude.name_nodes(model)
    chosen = set(exclude.surviving(source, model, exclude.select(source, patterns)))
    results = {value.name for value in model.graph.output}
    stay = [node for node in model.graph.node if node.name in chosen]
    reached = {name for node in stay for name in node.output}
    for node in model.graph.node:  # an activation is fused into what it follows
        if node.op_type in ("Relu", "Clip") and node.input[0] in reached:
            reached |= set(node.output)
    names: dict[str, str] = {}
    for index, node in enumerate(model.graph.node):
        word = KEPT if node.name in chosen else ""
        if reached & set(node.input):
            word += NEXT
        if word:
            node.name = f"{word}{index}"
        if node in stay:
            outer = [name for name in node.output if name and name not in results]
            names |= {name: f"{KEPT}{index}_t{number}" for number, name in enumerate(outer)}
    _rename_in(model.graph, names)
    del model.graph.value_info[:]


def kept(path: Path, made: Path) -> list[str]:
    """Output tensors of the operators in ``made`` that the marked nodes of the prepared file became."""
    import onnx

    results = {
        name
        for node in onnx.load(str(path)).graph.node
        if node.name.startswith(KEPT)
        for name in node.output
        if name.startswith("out_")
    }
    found: list[str] = []
    for part in tflite_file.read(made).graphs:
        for operator in part.operators:
            outputs = [part.tensors[index].name for index in operator.outputs if index >= 0]
            read = [part.tensors[index] for index in operator.inputs if index >= 0]
            own = [*outputs, *(tensor.name for tensor in read if tensor.constant)]
            if any(is_kept(name) for name in own) or results & set(outputs):
                found += outputs
    return found


def is_kept(name: str) -> bool:
    """Whether a tensor that the converter named belongs to a marked node: as its own, or as what is handed
    to the next one in another layout."""
    word, _, rest = name.partition("_")
    if rest.startswith("input_nhwc"):
        return bool(_NEXT.fullmatch(word)) and rest == "input_nhwc"
    return bool(_KEPT.fullmatch(word))


def to_float32(model: Any) -> None:  # noqa: ANN401
    """Every float16 tensor, input, output and cast becomes float32: TFLite kernels lack float16."""
    import numpy as np
    import onnx

    if not graph.uses_float16(model):
        return
    from farm_converters import external

    for tensor in external.tensors(model):
        if tensor.data_type == graph.FLOAT16:
            array = onnx.numpy_helper.to_array(tensor).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, tensor.name))
    for part in graph.graphs(model):
        for value in [*part.input, *part.output] if hasattr(part, "initializer") else []:
            if value.type.tensor_type.elem_type == graph.FLOAT16:
                value.type.tensor_type.elem_type = graph.FLOAT
        for node in part.node:
            for attribute in node.attribute:
                if attribute.name in ("to", "dtype") and attribute.i == graph.FLOAT16:
                    attribute.i = graph.FLOAT
    del model.graph.value_info[:]


def rename(model: Any) -> None:  # noqa: ANN401
    """Neutral names for inputs and outputs: the converter stumbles over ``:``, ``/`` and digits."""
    names = {value.name: INPUT.format(i) for i, value in enumerate(model.graph.input)}
    made = {name for node in model.graph.node for name in node.output}
    for index, value in enumerate(model.graph.output):
        if value.name in made and value.name not in names:
            names[value.name] = OUTPUT.format(index)
            value.name = OUTPUT.format(index)
        else:  # an input, a constant or a repeated output handed through
            node = model.graph.node.add(op_type="Identity", name=f"farm_hand_{index}")
            node.input.append(value.name)
            node.output.append(OUTPUT.format(index))
            value.name = OUTPUT.format(index)
    for value in model.graph.input:
        value.name = names[value.name]
    _rename_in(model.graph, names)
    del model.graph.value_info[:]


def _rename_in(part: Any, names: dict[str, str]) -> None:  # noqa: ANN401 - GraphProto
    for node in part.node:
        for index, name in enumerate(node.input):
            if name in names:
                node.input[index] = names[name]
        for index, name in enumerate(node.output):
            if name in names:
                node.output[index] = names[name]
        for inner in graph.subgraphs(node):
            made = {name for item in inner.node for name in item.output}
            outer = {old: new for old, new in names.items() if old not in made}
            _rename_in(inner, outer)
            for value in inner.output:
                value.name = outer.get(value.name, value.name)


def has_layout(shape: Sequence[int]) -> bool:
    """Whether an output of this shape may come out with its axes in another order."""
    return len(shape) >= 3 and 0 not in shape


def pin_outputs(model: Any, shapes: list[list[int]]) -> None:  # noqa: ANN401
    """End every output of rank 3 and more in a Reshape to its own shape: its layout then stays ONNX's."""
    import numpy as np
    import onnx

    for value, shape in zip(model.graph.output, shapes, strict=True):
        if not has_layout(shape):
            continue
        inner = f"{value.name}__pre"
        _rename_in(model.graph, {value.name: inner})
        sizes = onnx.numpy_helper.from_array(np.array(shape, np.int64), f"{value.name}__shape")
        model.graph.initializer.append(sizes)
        model.graph.node.append(
            onnx.helper.make_node("Reshape", [inner, sizes.name], [value.name], name=f"{value.name}__pin")
        )
