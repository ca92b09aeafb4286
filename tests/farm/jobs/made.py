"""A job as it is written down, spelled once."""

from __future__ import annotations

import socket
from typing import Any

from farm.jobs.context import JobContext, Part
from farm_agent.wire import Blob, Facts, RuntimeFact
from farm_profiles import Target
from tests.results import made

FACTS = Facts(
    machine="aarch64",
    model="Board\x00 with \udc80 in its name",
    cpu="",
    cores=4,
    memory_bytes=None,
    kernel="6.1",
    os="Debian",
    libc="glibc 2.36",
    python="3.11.2",
    runtimes=(RuntimeFact("onnxruntime", "1.23.0"),),
    details={"nested": [1, {"a": float("inf")}]},
)


def context(job_id: str = "job-1", run_id: str = made.run().run_id, **changes: Any) -> JobContext:
    """One job of the run of ``made``."""
    spec = made.spec(job_id=job_id)
    values: dict[str, Any] = {
        "run_id": run_id,
        "job_id": job_id,
        "model": "net",
        "model_sha256": "a" * 64,
        "device": "pi",
        "profile": "rpi4",
        "target": Target("onnx", "onnxruntime", options={"a": "1"}),
        "spec": spec,
        "facts": FACTS,
        "artifact": {"key": "k", "calibration": "200 samples", "check": None, "caveats": ["slow"]},
        "parts": (Part(Blob("b" * 64, 3, "model.onnx"), "/nowhere/model.onnx"),),
        "native": "fp32",
        "host": socket.gethostname(),
    }
    return JobContext(**{**values, **changes})
