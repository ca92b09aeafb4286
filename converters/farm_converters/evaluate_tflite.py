"""Inside the sandbox: a .tflite source model over a data set, on the reference kernels of LiteRT."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

ENVIRONMENT = "litert"


def run(request: dict[str, Any], workdir: Path) -> dict[str, Any]:
    """Write outputs.npz; answer count, runtime and seconds. Raises JobError convert.source-fails, data.*."""
    import importlib.metadata

    from farm_converters import evaluate
    from farm_converters.golden_tflite import Reference

    shapes = {item["name"]: tuple(item["shape"]) for item in request["inputs"]}
    network = Reference(Path(request["model"]), shapes)
    began = time.monotonic()
    count = evaluate.over_samples(request, workdir, lambda arrays: list(network.infer(arrays).values()))
    return {
        "count": count,
        "runtime": f"litert {importlib.metadata.version('ai-edge-litert')}",
        "seconds": time.monotonic() - began,
    }
