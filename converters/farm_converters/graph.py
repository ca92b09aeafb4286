"""Inside the sandbox: small, meaning-preserving changes to an ONNX graph, shared by the edges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

OLDEST_IR = 4  # below it, initialisers must be listed as inputs
PORTABLE_IR = 10  # what onnxruntime 1.19 and later load
PORTABLE_OPSET = 21
MAX_PROTO_BYTES = 1_900_000_000
FLOAT, FLOAT16 = 1, 10


def clean(model: Any) -> None:  # noqa: ANN401 - ModelProto, as everywhere below
    """Drop what no runtime needs: initialisers among the inputs, documentation, metadata, training parts."""
    constants = {tensor.name for tensor in model.graph.initializer}
    constants |= {tensor.values.name for tensor in model.graph.sparse_initializer}
    kept = [value for value in model.graph.input if value.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(kept)
    del model.metadata_props[:]
    del model.training_info[:]
    model.doc_string = ""
    for graph in graphs(model):
        graph.doc_string = ""
        for node in graph.node:
            node.doc_string = ""
            if hasattr(node, "metadata_props"):
                del node.metadata_props[:]


def fix_inputs(model: Any, shapes: Mapping[str, Sequence[int]]) -> None:  # noqa: ANN401
    """Give every input its fixed shape and forget the shapes that were derived from free ones."""
    for value in model.graph.input:
        dims = value.type.tensor_type.shape.dim
        del dims[:]
        value.type.tensor_type.shape.SetInParent()
        for size in shapes[value.name]:
            dims.add().dim_value = int(size)
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def free_inputs(model: Any) -> None:  # noqa: ANN401
    """Leave every size of every input open again, and forget what was derived from fixed ones.

    Some networks hold a branch for another size (If), which runtimes refuse at load once sizes are fixed.
    """
    for value in model.graph.input:
        for axis, dim in enumerate(value.type.tensor_type.shape.dim):
            dim.dim_param = f"{value.name}_{axis}"
    del model.graph.value_info[:]
    for value in model.graph.output:
        value.type.tensor_type.ClearField("shape")


def infer(model: Any) -> Any:  # noqa: ANN401
    """With inferred shapes; as it was where inference refuses."""
    import onnx

    try:
        return onnx.shape_inference.infer_shapes(model, strict_mode=False, data_prop=True)
    except Exception:  # noqa: BLE001 - inference is a help, never a condition
        return model


def set_versions(model: Any) -> None:  # noqa: ANN401
    """The lowest IR version that the content allows, so that older runtimes load it too."""
    opset = max((entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")), default=0)
    source = max(OLDEST_IR, int(model.ir_version))
    model.ir_version = min(source, PORTABLE_IR) if opset <= PORTABLE_OPSET else source


def sort(graph: Any) -> None:  # noqa: ANN401 - GraphProto
    """Order nodes so that each stands after what it reads (Kahn); a cycle is left as it is."""
    made_by = {name: index for index, node in enumerate(graph.node) for name in node.output if name}
    needs = [
        {made_by[name] for name in reads(node) if name in made_by} - {i} for i, node in enumerate(graph.node)
    ]
    if all(max(before, default=-1) < index for index, before in enumerate(needs)):
        return
    users: dict[int, list[int]] = {}
    for index, before in enumerate(needs):
        for other in before:
            users.setdefault(other, []).append(index)
    ready = [index for index, before in enumerate(needs) if not before][::-1]
    order: list[int] = []
    while ready:
        index = ready.pop()
        order.append(index)
        for user in users.get(index, ()):
            needs[user].discard(index)
            if not needs[user]:
                ready.append(user)
    if len(order) == len(graph.node):
        nodes = [graph.node[index] for index in order]
        copies = [type(node).FromString(node.SerializeToString()) for node in nodes]
        del graph.node[:]
        graph.node.extend(copies)


def reads(node: Any) -> set[str]:  # noqa: ANN401 - NodeProto
    """Every name a node needs, those of its subgraphs from outside included."""
    names = {name for name in node.input if name}
    for graph in subgraphs(node):
        made = {name for inner in graph.node for name in inner.output}
        made |= {value.name for value in graph.input} | {tensor.name for tensor in graph.initializer}
        used = {value.name for value in graph.output}
        for inner in graph.node:
            used |= reads(inner)
        names |= used - made
    return names


def subgraphs(node: Any) -> Iterator[Any]:  # noqa: ANN401 - NodeProto
    """The bodies of a control-flow node."""
    for attribute in node.attribute:
        if attribute.HasField("g"):
            yield attribute.g
        yield from attribute.graphs


def graphs(model: Any) -> Iterator[Any]:  # noqa: ANN401
    """The main graph, every subgraph, every function."""
    stack = [model.graph, *model.functions]
    while stack:
        graph = stack.pop()
        yield graph
        for node in graph.node:
            stack.extend(subgraphs(node))


def operators(model: Any) -> set[str]:  # noqa: ANN401
    """Operator types that occur anywhere."""
    return {str(node.op_type) for graph in graphs(model) for node in graph.node}


def uses_float16(model: Any) -> bool:  # noqa: ANN401
    """Whether any tensor, input or output is float16."""
    from farm_converters import external

    values = [*model.graph.input, *model.graph.output]
    if any(value.type.tensor_type.elem_type == FLOAT16 for value in values):
        return True
    return any(tensor.data_type == FLOAT16 for tensor in external.tensors(model))


def save(model: Any, path: Path) -> None:  # noqa: ANN401
    """Write one self-contained file. Raises JobError convert.too-large."""
    import onnx

    if model.ByteSize() > MAX_PROTO_BYTES:
        raise JobError(
            f"the prepared model holds {model.ByteSize() / 1e9:.2f} GB; one file may hold 1.9 GB",
            code="convert.too-large",
            fix="use a smaller or a quantised export of this network",
        )
    onnx.save(model, str(path))
