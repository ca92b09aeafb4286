"""TFLite to TFLite: the file as it is, run and compared like any artifact."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from farm_agent import precisions, tflite_precisions
from farm_agent.errors import JobError

WHERE = "host"
ENVIRONMENT = "litert"
RUNTIME = "litert"
# Whichever precision is asked for: the file is what it is, and its proof tells whether it may be called so.
RUNGS = dict.fromkeys(("fp32", "fp16", "int8", "int8-dynamic", "int8-weights", "int4-weights"), ("copy",))


def convert(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Copy the source. Raises JobError convert.option for what would need another file, and
    convert.nothing-to-quantise where a precision promises how weights are stored and there are none."""
    if request["exclude"] or request["options"].get("io"):
        raise JobError(
            "a .tflite file is taken as it is: nothing of it can be excluded, nor its inputs changed",
            code="convert.option",
            fix="convert from the ONNX model that it was made from",
        )
    _refuse_empty_promise(Path(request["model"]), request["precision"])
    target = workdir / "out" / "model.tflite"
    target.parent.mkdir()
    shutil.copyfile(request["model"], target)
    return {
        "files": [target.name],
        "inputs": [_same(item) for item in request["inputs"]],
        "outputs": [_same(item) for item in request["outputs"]],
        "caveats": ["the source is a TFLite file: it is measured as it is"],
    }


def _refuse_empty_promise(model: Path, precision: str) -> None:
    """A network without weights would keep any promise about them."""
    promise = precisions.of(precision)
    if promise.computes or not promise.stores:
        return
    proof = tflite_precisions.proof(model, "")
    if proof is not None and not proof.weights:
        raise JobError(
            f"the network has no weights that could be stored in {promise.stores[0]}",
            code="convert.nothing-to-quantise",
            fix="ask for fp32: the file is taken as it is",
        )


def _same(item: dict[str, Any]) -> dict[str, Any]:
    return {"name": item["name"], "dtype": item["dtype"], "shape": item["shape"], "permutation": None}
