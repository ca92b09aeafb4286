"""ONNX to OpenVINO IR: model.xml and model.bin; 8 and 4 bits by NNCF."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError
from farm_converters import openvino_graph, quantise_openvino

WHERE = "host"
ENVIRONMENT = "openvino"
RUNTIME = "openvino"
OPTIONS = ("method",)
# ways whose source is simplified before, where ONNX is at hand: "folded" inlines Ifs and functions
SIMPLIFIED = ("folded", "slim")
_WAYS = ("direct", "folded", "slim")
# "transformer" lets NNCF smooth activations and treat attention as it is known to need
RUNGS = {
    "fp32": _WAYS,
    "fp16": _WAYS,
    "int8": ("direct", "transformer", "folded", "slim"),
    "int8-weights": _WAYS,
    "int4-weights": _WAYS,
}
ENVIRONMENTS = dict.fromkeys(("int8", "int8-weights", "int4-weights"), "nncf")
REASONS = {
    "int8-dynamic": "OpenVINO's CPU plugin can quantise activations of layers with compressed weights on the "
    "fly, but its runtime model names float kernels then, so nothing proves in what it computes"
}
_NO_RULE = re.compile(
    r"(?:No conversion rule found for operations|OpenVINO does not support the following ONNX operations)"
    r": ([^\n]+)"
)


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write out/model.xml and out/model.bin. Raises JobError convert.unsupported-op, convert.unsupported, and
    what quantise_openvino raises."""
    reduced = request["precision"] in ENVIRONMENTS
    if request["exclude"] and not reduced:
        raise JobError(
            f"OpenVINO stores a whole network in {request['precision']}; nodes stay out of 8 and 4 bits only",
            code="convert.unsupported",
            fix="ask for this precision without --exclude",
        )
    quantise_openvino.silence()
    import openvino

    # A relative, neutral name: the path goes into the IR
    local = workdir / "model.onnx"
    local.write_bytes(Path(request["model"]).read_bytes())
    folder = workdir / "out"
    folder.mkdir()
    fused: openvino_graph.Fused | None = None
    caveats: list[str] = []
    with contextlib.chdir(workdir):
        try:
            if reduced:
                fused = openvino_graph.read("model.onnx", request)
                model = fused.model
            else:
                model = openvino.convert_model("model.onnx")
        except JobError:
            raise
        except Exception as error:
            raise _refused(error) from error
        inputs = _name(model.inputs, [item["name"] for item in request["inputs"]])
        outputs = _name(model.outputs, [item["name"] for item in request["outputs"]])
        # Where the float network agrees, what two ways of rounding gave is no fault of the reader's
        settled = request["rung"] == "transformer" and quantise_openvino.agrees(
            model, request, inputs, outputs
        )
        if fused is not None:
            model, caveats = quantise_openvino.quantise(fused, request, inputs)
        _forget_inner_names(model, {*inputs, *outputs})
        openvino.save_model(model, "out/model.xml", compress_to_fp16=request["precision"] == "fp16")
    dtypes = [_dtype(port) for port in model.inputs]
    return {
        "files": ["model.xml", "model.bin"],
        "inputs": [
            {**item, "name": name, "dtype": dtype, "permutation": None}
            for item, name, dtype in zip(request["inputs"], inputs, dtypes, strict=True)
        ],
        "outputs": [{"name": name, "permutation": None} for name in outputs],
        "caveats": caveats,
        "settled": settled,
    }


def _name(ports: Any, wanted: list[str]) -> list[str]:  # noqa: ANN401 - openvino ports
    """Give every port its source name alone; ports may come in another order, but keep their names."""
    by_name = {name: port for port in ports for name in port.get_names()}
    if len(ports) != len(wanted) or set(wanted) - set(by_name):
        raise JobError(f"OpenVINO kept the tensors {sorted(by_name)} of {wanted}", code="convert.unsupported")
    for name in wanted:
        by_name[name].get_tensor().set_names({name})
    return wanted


def _forget_inner_names(model: Any, kept: set[str]) -> None:  # noqa: ANN401 - openvino.Model
    """A plugin that fuses an output with the node before it merges their names: leave it one to report."""
    for node in model.get_ops():
        for port in node.outputs():
            if not kept & set(port.get_names()):
                port.get_tensor().set_names(set())


def _dtype(port: Any) -> str:  # noqa: ANN401 - openvino port
    import numpy as np

    return str(np.dtype(port.get_element_type().to_dtype()))


def _refused(error: Exception) -> Exception:
    text = str(error)
    if "bad_alloc" in text or "Failed to allocate" in text:
        return MemoryError(text)
    found = _NO_RULE.search(text)
    if found:
        what = " ".join(found.group(1).split())
        return JobError(
            f"OpenVINO has no conversion rule for {what[:200]}",
            code="convert.unsupported-op",
            fix="run this model with onnxruntime",
        )
    lines = [" ".join(line.split()) for line in text.splitlines() if line.strip()]
    reason = " / ".join(line for line in lines if not line.startswith(("Exception from", "Check '")))
    return JobError(f"OpenVINO cannot read the model: {(reason or text)[-400:]}", code="convert.unsupported")
