"""Three small networks, from some 3 µs to some 2 ms an inference, and what each runtime runs of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from farm_agent.wire import ArtifactSpec

FORMATS = {"onnxruntime": "onnx", "openvino": "openvino", "litert": "tflite"}


@dataclass(frozen=True)
class Network:
    """One network as one runtime runs it; ``path`` is its first file."""

    name: str
    runtime: str
    path: Path
    spec: ArtifactSpec


def networks(folder: Path, cache: Path, runtimes: Sequence[str]) -> list[Network]:
    """Write the three networks and convert them as farm does. Raises farm's errors."""
    from farm_converters.convert import convert
    from farm_converters.inspect import inspect_model
    from farm_converters.recipe import Recipe

    found = []
    for name, graph in (
        ("mlp-16", mlp(16, 64, 64, 10)),
        ("mlp-256", mlp(256, 512, 512, 128)),
        ("conv", conv()),
    ):
        source = folder / f"{name}.onnx"
        _save(graph, source)
        model = inspect_model(source)
        for runtime in runtimes:
            recipe = Recipe(FORMATS[runtime], "fp32")
            artifact = convert(model, recipe, cache, report=lambda _: None)
            # The converter names files by their content: programs want the usual endings.
            place = folder / f"{name}-{runtime}"
            place.mkdir()
            for path, blob in zip(artifact.paths, artifact.spec.files, strict=True):
                (place / blob.name).write_bytes(path.read_bytes())
            found.append(Network(name, runtime, place / artifact.spec.files[0].name, artifact.spec))
    return found


def mlp(*widths: int) -> Any:  # noqa: ANN401 - onnx.GraphProto
    """Fully connected layers, all but the last with a ReLU."""
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, last = [], [], "x"
    for index, (before, after) in enumerate(pairwise(widths)):
        final = index == len(widths) - 2
        matrix = random.standard_normal((before, after), np.float32) / np.float32(np.sqrt(before))
        weights += [
            numpy_helper.from_array(matrix, f"w{index}"),
            numpy_helper.from_array(np.zeros(after, np.float32), f"b{index}"),
        ]
        made = "y" if final else f"h{index}"
        nodes.append(helper.make_node("Gemm", [last, f"w{index}", f"b{index}"], [made]))
        if not final:
            nodes.append(helper.make_node("Relu", [made], [f"r{index}"]))
            last = f"r{index}"
    return _graph(nodes, weights, (1, widths[0]), (1, widths[-1]))


def conv() -> Any:  # noqa: ANN401 - onnx.GraphProto
    """Five 3 by 3 convolutions with ReLU on 3 x 128 x 128, then a mean: some 230 million operations."""
    from onnx import helper, numpy_helper

    random = np.random.default_rng(0)
    nodes, weights, last, channels = [], [], "x", 3
    for index, (after, stride) in enumerate(((16, 2), (32, 1), (32, 1), (64, 2), (64, 1))):
        kernel = random.standard_normal((after, channels, 3, 3), np.float32) / np.float32(3 * channels**0.5)
        weights.append(numpy_helper.from_array(kernel, f"w{index}"))
        settings = {"pads": [1, 1, 1, 1], "strides": [stride, stride]}
        nodes.append(helper.make_node("Conv", [last, f"w{index}"], [f"c{index}"], **settings))
        nodes.append(helper.make_node("Relu", [f"c{index}"], [f"r{index}"]))
        last, channels = f"r{index}", after
    nodes.append(helper.make_node("GlobalAveragePool", [last], ["y"]))
    return _graph(nodes, weights, (1, 3, 128, 128), (1, channels, 1, 1))


def _graph(nodes: list[Any], weights: list[Any], given: Sequence[int], made: Sequence[int]) -> Any:  # noqa: ANN401
    from onnx import TensorProto, helper

    return helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, list(given))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, list(made))],
        weights,
    )


def _save(graph: Any, path: Path) -> None:  # noqa: ANN401 - onnx.GraphProto
    from onnx import helper, save

    save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), str(path))
