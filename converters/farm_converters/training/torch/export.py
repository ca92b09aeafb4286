"""Write a trained network as ONNX (and .pt2), with samples of its answers to check the files by."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters.training.torch.data import Split
from farm_converters.training.torch.judge import tensor_of
from farm_converters.training.torch.loop import Network

OUTPUT = "output"
CHECKED = 8


def input_names(network: Network, count: int) -> list[str]:
    """What forward calls its first parameters."""
    names = [name for name in inspect.signature(type(network).forward).parameters if name != "self"]
    named = [name for name in names if name.isidentifier() and name not in ("args", "kwargs")]
    return named[:count] if len(named) >= count else [f"input_{i}" for i in range(count)]


def write(
    network: Network, formats: Sequence[str], names: Sequence[str], test: Split, opset: int, folder: Path
) -> dict[str, str]:
    """Write ``folder/model.FORMAT`` and ``check.npz``; answer format to file name.

    Raises JobError train.export.
    """
    import numpy as np
    import torch

    network.cpu().eval()
    inputs = test.first(CHECKED)[0]
    with torch.no_grad():
        outputs = tensor_of(network(*inputs)).numpy()
    arrays = {name: value.numpy() for name, value in zip(names, inputs, strict=True)}
    np.savez(
        folder / "check.npz", **{f"in.{name}": a for name, a in arrays.items()}, **{f"out.{OUTPUT}": outputs}
    )
    writers: Mapping[str, Any] = {"onnx": _onnx, "pt2": _pt2}
    files = {}
    for name in formats:
        path = folder / f"model.{name}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                writers[name](network, tuple(value[:2] for value in inputs), names, opset, path)
        except Exception as error:
            lines = [line for line in str(error).splitlines() if line.strip()] or [type(error).__name__]
            raise JobError(
                f"the network cannot be written as {name}: {lines[0][:300]}",
                code="train.export",
                fix="replace the operation that the message names, or leave the format out of [export]",
            ) from error
        files[name] = path.name
    return files


def _onnx(network: Network, inputs: tuple[Any, ...], names: Sequence[str], opset: int, path: Path) -> None:
    import onnx
    import torch

    # The older exporter: the only one that writes fake quantisation as QuantizeLinear/DequantizeLinear
    torch.onnx.export(
        network,
        inputs,
        str(path),
        dynamo=False,
        opset_version=opset,
        input_names=list(names),
        output_names=[OUTPUT],
        dynamic_axes={name: {0: "batch"} for name in (*names, OUTPUT)},
    )
    model = onnx.load(str(path))
    forget_origins(model)
    _tidy_scales(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))


def _tidy_scales(model: Any) -> None:  # noqa: ANN401 - ModelProto
    """Scales of whole tensors as scalars (torch keeps a vector of one, which QLinearAdd refuses), and
    constants that are read directly, not through an Identity."""
    constants = {item.name: item for item in model.graph.initializer}
    copies = {
        node.output[0]: node.input[0]
        for node in model.graph.node
        if node.op_type == "Identity" and node.input[0] in constants
    }
    outputs = {value.name for value in model.graph.output}
    for node in model.graph.node:
        for index, name in enumerate(node.input):
            node.input[index] = copies.get(name, name)
    for node in [n for n in model.graph.node if n.op_type == "Identity" and n.output[0] in copies]:
        if node.output[0] not in outputs:
            model.graph.node.remove(node)
    made = {node.output[0]: node.attribute[0].t for node in model.graph.node if node.op_type == "Constant"}
    for node in model.graph.node:
        if node.op_type in ("QuantizeLinear", "DequantizeLinear"):
            for name in node.input[1:]:
                tensor = constants.get(name) or made.get(name)
                if tensor is not None and list(tensor.dims) == [1]:
                    del tensor.dims[:]


def forget_origins(model: Any) -> None:  # noqa: ANN401 - ModelProto
    """Drop source paths and stack traces, which exporters leave in nodes and would change every hash."""
    graphs = [model.graph, *model.functions]
    for part in graphs:
        part.doc_string = ""
        del part.metadata_props[:]
        for node in part.node:
            node.doc_string = ""
            del node.metadata_props[:]
            graphs += [attribute.g for attribute in node.attribute if attribute.HasField("g")]
        for value in (*part.value_info, *getattr(part, "input", ()), *getattr(part, "output", ())):
            if not isinstance(value, str):
                value.doc_string = ""
                del value.metadata_props[:]
    del model.metadata_props[:]
    model.doc_string = ""


def _pt2(network: Network, inputs: tuple[Any, ...], _names: Sequence[str], _opset: int, path: Path) -> None:
    import torch

    batch = torch.export.Dim("batch", min=1)
    shapes = tuple({0: batch} for _ in inputs)
    torch.export.save(torch.export.export(network, inputs, dynamic_shapes=shapes), str(path))
