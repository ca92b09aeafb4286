"""Learn what a model file is, without trusting it."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path
from typing import Any

from farm_agent.errors import JobError, UsageError
from farm_converters import cache, sandbox, sniff
from farm_converters.model import InputSpec, Model, OutputSpec

LIMITS = sandbox.Limits(timeout_s=120.0)


def inspect_model(path: Path) -> Model:
    """Describe the ONNX or TFLite file at ``path``; every library that reads it does so in a sandbox.

    Raises UsageError model.missing, .empty, .too-large, .not-onnx, .corrupt, .invalid, .unsupported-op,
    .unsupported-type, .external-data-escape, .external-data-missing, .external-data-truncated; JobError
    convert.* when the file brings a library down; InfrastructureError host.disk-full, host.cache-unwritable.
    """
    sniff.check_file(path)
    source = "tflite" if sniff.is_tflite(path) else "onnx"
    absolute = Path(os.path.abspath(path))  # noqa: PTH100 - a link's data lie beside the link
    scratch = Path(tempfile.gettempdir())
    with cache.writable(scratch), tempfile.TemporaryDirectory(prefix="farm-inspect-") as folder:
        try:
            answer = sandbox.call(
                f"farm_converters.inspect_{source}:inspect",
                {"path": str(absolute)},
                workdir=Path(folder),
                what=f"inspect {path}",
                limits=LIMITS,
                python=sys.executable,
            )
        except JobError as error:
            if error.code != "convert.failed":
                raise
            raise UsageError(error.message, code="model.invalid", fix="export the model again") from error
    return _model(path, source, answer)


def _model(path: Path, source: str, answer: dict[str, Any]) -> Model:
    return Model(
        path=path,
        format=source,
        sha256=answer["sha256"],
        size_bytes=answer["size_bytes"],
        inputs=tuple(InputSpec(i["name"], i["dtype"], tuple(i["shape"])) for i in answer["inputs"]),
        outputs=tuple(
            OutputSpec(o["name"], o["dtype"], None if o["shape"] is None else tuple(o["shape"]))
            for o in answer["outputs"]
        ),
        opsets=answer["opsets"],
        ir_version=answer["ir_version"],
        operators=answer["operators"],
        parameters=answer["parameters"],
        producer=answer["producer"],
        caveats=tuple(answer["caveats"]),
        precision=answer.get("precision", ""),
    )
