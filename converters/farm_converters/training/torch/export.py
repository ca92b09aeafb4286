"""Write a trained network as ONNX (and .pt2), and compare what the file answers with what the network
does."""

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
RELATIVE = 1e-4  # of the largest output: reordered float32 sums stay within
QUANTISED_RELATIVE = 5e-2  # a value may round to the neighbouring step


def input_names(network: Network, count: int) -> list[str]:
    """What forward calls its first parameters."""
    names = [name for name in inspect.signature(type(network).forward).parameters if name != "self"]
    named = [name for name in names if name.isidentifier() and name not in ("args", "kwargs")]
    return named[:count] if len(named) >= count else [f"input_{i}" for i in range(count)]


def write(
    network: Network, formats: Sequence[str], names: Sequence[str], test: Split, opset: int, folder: Path
) -> dict[str, str]:
    """Write ``folder/model.FORMAT``; answer format to file name. The ONNX file must answer as the network
    does.

    Raises JobError train.export, train.export-differs.
    """
    import torch

    network.cpu().eval()
    inputs = test.first(CHECKED)[0]
    with torch.no_grad():
        outputs = tensor_of(network(*inputs)).numpy()
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
    if "onnx" in files:
        _compare(folder / files["onnx"], [value.numpy() for value in inputs], outputs)
    return files


def _compare(path: Path, inputs: Sequence[Any], wanted: Any) -> None:  # noqa: ANN401 - numpy
    """Run the file, unoptimised, on the samples whose answers are ``wanted``."""
    import numpy as np
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    named = {item.name: array for item, array in zip(session.get_inputs(), inputs, strict=True)}
    got = session.run(None, named)[0]
    rounds = any(node.op_type == "QuantizeLinear" for node in onnx.load(str(path)).graph.node)
    error = float(np.abs(got - wanted).max()) / max(float(np.abs(wanted).max()), 1e-6)
    if not error <= (QUANTISED_RELATIVE if rounds else RELATIVE):
        raise JobError(
            f"the ONNX file answers otherwise than the network: by {error:.2g} of the largest output",
            code="train.export-differs",
            fix="look for operations that depend on training mode or on Python values in forward",
        )


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
    _store_weights(model)
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


def _store_weights(model: Any) -> None:  # noqa: ANN401 - ModelProto
    """Keep quantised weights as the integers they are: QuantizeLinear of a constant is computed here."""
    import numpy as np
    from onnx import numpy_helper

    graph = model.graph
    known = {item.name: item for item in graph.initializer}
    made = {node.output[0]: node.attribute[0].t for node in graph.node if node.op_type == "Constant"}
    for node in [node for node in graph.node if node.op_type == "QuantizeLinear" and node.input[0] in known]:
        tensors = [known.get(name) or made.get(name) for name in node.input]
        if len(tensors) < 3 or any(tensor is None for tensor in tensors):
            continue
        weight, scale, zero = (numpy_helper.to_array(tensor) for tensor in tensors)
        if scale.ndim:
            axis = next((item.i for item in node.attribute if item.name == "axis"), 1)
            shape = [-1 if k == axis else 1 for k in range(weight.ndim)]
            scale, zero = scale.reshape(shape), zero.reshape(shape)
        bounds = np.iinfo(zero.dtype)
        stored = np.clip(np.rint(weight / scale) + zero, bounds.min, bounds.max).astype(zero.dtype)
        graph.initializer.append(numpy_helper.from_array(stored, node.output[0]))
        graph.node.remove(node)
    used = {name for node in graph.node for name in node.input} | {value.name for value in graph.output}
    for item in [item for item in graph.initializer if item.name not in used]:
        graph.initializer.remove(item)


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
