"""ONNX to OpenVINO IR: model.xml and model.bin."""

from __future__ import annotations

import contextlib
import re
import sys
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError

WHERE = "host"
ENVIRONMENT = "openvino"
RUNTIME = "openvino"
# ways whose source is simplified before, where ONNX is at hand: "folded" inlines Ifs and functions
SIMPLIFIED = ("folded", "slim")
RUNGS = {"fp32": ("direct", "folded", "slim"), "fp16": ("direct", "folded", "slim")}
_NO_RULE = re.compile(
    r"(?:No conversion rule found for operations|OpenVINO does not support the following ONNX operations)"
    r": ([^\n]+)"
)


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write out/model.xml and out/model.bin. Raises JobError convert.unsupported-op."""
    sys.modules["openvino_telemetry"] = None  # type: ignore[assignment] # nothing is sent from here
    import openvino

    # A relative, neutral name: the path goes into the IR
    local = workdir / "model.onnx"
    local.write_bytes(Path(request["model"]).read_bytes())
    folder = workdir / "out"
    folder.mkdir()
    with contextlib.chdir(workdir):
        try:
            model = openvino.convert_model("model.onnx")
        except Exception as error:
            raise _refused(error) from error
        inputs = _name(model.inputs, [item["name"] for item in request["inputs"]])
        outputs = _name(model.outputs, [item["name"] for item in request["outputs"]])
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
        "caveats": [],
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
