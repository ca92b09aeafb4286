"""Which packages provide a runtime, and what is left where none does."""

from __future__ import annotations

PROVIDERS: dict[str, tuple[tuple[str, ...], ...]] = {
    "onnxruntime": (("onnxruntime",),),
    # The older of LiteRT's names imports with NumPy 2 and fails when a model is opened, undeclared.
    "litert": (("ai-edge-litert",), ("tflite-runtime", "numpy<2")),
    "openvino": (("openvino",),),
}
"""By the agent's name of a runtime: lists of requirements, the first that exists is taken."""

ELSEWHERE = {
    "tensorrt": (
        "it comes with JetPack or NVIDIA's own packages, not as a wheel",
        "sudo apt install tensorrt",
    ),
}
"""Runtimes that no package registry has: why, and the way to get them."""

SYSTEM = {"armv7l": {"numpy": "python3-numpy"}}
"""By processor: packages without wheels there, which the distribution has, by Debian's names."""
