"""ONNX to TensorRT: engines fit one GPU and one TensorRT, so the device itself builds them.

Here the ONNX file is prepared and checked; ``WHERE`` tells the plan to have it built on the device. The types
are in the graph: halves for fp16, QuantizeLinear pairs for int8, as strong typing wants and as weak typing
takes, too. The option graph = "fp32" leaves the graph in floats, so that a weakly typed builder (TensorRT 10
and older) chooses by its flags, for int8 with ranges that it calibrates itself.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

WHERE = "device"
ENVIRONMENT = "onnx"
RUNTIME = "onnxruntime"
OPTIONS = ("graph", "activations", "symmetric", "bias", "granularity", "method", "io")
# TensorRT reads quantised constants only where a convolution or matrix product takes them: "weighted" first
RUNGS = {"fp32": ("slim", "plain"), "fp16": ("slim", "plain", "mixed"), "int8": ("weighted", "plain")}
# What its parser takes: signed, zero points of 0, biases in float32
INT8 = {"activations": "s8", "symmetric": "yes", "bias": "float"}


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write model.onnx into ``workdir``. Raises what onnx_to_onnx.convert raises, and convert.option."""
    from farm_converters import onnx_to_onnx

    options = dict(request["options"])
    graph = options.pop("graph", "typed")
    if graph not in ("typed", "fp32"):
        raise JobError(
            f'the option graph is {graph!r}; it can be "typed" or "fp32"',
            code="convert.option",
            fix="correct it in --option, or in convert of the profile's target",
        )
    asked = request["precision"]
    if graph == "fp32":
        request = {**request, "precision": "fp32", "rung": _float_rung(request["rung"])}
    answer = onnx_to_onnx.convert({**request, "options": {**INT8, **options}}, workdir)
    if graph == "fp32" and asked != "fp32":
        text = f"the graph stays in fp32: the device's builder decides where {asked} is used"
        answer["caveats"].append(text)
    return answer


def _float_rung(rung: str) -> str:
    return rung if rung in ("slim", "plain") else "slim"
