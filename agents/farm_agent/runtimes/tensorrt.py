"""TensorRT: known, so that a job for it gets a plain answer. This agent does not drive it."""

from __future__ import annotations

from typing import Any, Mapping, NoReturn

from farm_agent.errors import JobError
from farm_agent.runtimes import Probe

ABSENT = "TensorRT is not installed; it comes with JetPack or NVIDIA's packages, not from this agent"
UNDRIVEN = "TensorRT {} is installed, but this agent cannot run engines"
FIX = "choose onnxruntime for this device; with its TensorRT or CUDA provider where that is installed"

# What an import of it reads from the disk.
PACKAGES = ("tensorrt", "tensorrt_libs")


def probe() -> Probe:
    """Always unavailable, with the reason that holds on this device."""
    return Probe("", _reason(), FIX)


def open(path: str, options: Mapping[str, Any]) -> NoReturn:  # noqa: A001, ARG001 - the seam's name
    """Raises JobError runtime.missing."""
    raise JobError(_reason(), code="runtime.missing", fix=FIX)


def _reason() -> str:
    try:
        import tensorrt
    except Exception:  # noqa: BLE001 - a broken package may raise anything
        return ABSENT
    return UNDRIVEN.format(tensorrt.__version__)
