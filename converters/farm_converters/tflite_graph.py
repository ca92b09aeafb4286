"""Inside the sandbox: rewrite an ONNX graph into what the TFLite converter handles well."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_converters import graph
from farm_converters.simplify import fold, slim

INPUT, OUTPUT = "in_{}", "out_{}"


def prepare(request: dict[str, Any], workdir: Path) -> Path:
    """Write model.onnx for this rung: ``simplifier`` or ``simplifier-free``, where free leaves the
    converter to choose the outputs' layout. Inputs become in_0, in_1, ...; outputs out_0, out_1, ..."""
    import onnx

    simplifier, _, free = request["rung"].partition("-")
    model = onnx.load(request["model"])
    to_float32(model)
    if simplifier == "folded":
        model = fold(model, workdir)
    if simplifier in ("slim", "folded"):
        model = slim(model)
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


def pin_outputs(model: Any, shapes: list[list[int]]) -> None:  # noqa: ANN401
    """End every output of rank 3 and more in a Reshape to its own shape: its layout then stays ONNX's."""
    import numpy as np
    import onnx

    for value, shape in zip(model.graph.output, shapes, strict=True):
        if len(shape) < 3 or 0 in shape:
            continue
        inner = f"{value.name}__pre"
        _rename_in(model.graph, {value.name: inner})
        sizes = onnx.numpy_helper.from_array(np.array(shape, np.int64), f"{value.name}__shape")
        model.graph.initializer.append(sizes)
        model.graph.node.append(
            onnx.helper.make_node("Reshape", [inner, sizes.name], [value.name], name=f"{value.name}__pin")
        )
