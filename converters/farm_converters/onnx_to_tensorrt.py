"""ONNX to TensorRT: engines fit one GPU and one TensorRT, so the device itself builds them.

Here the ONNX file is prepared and checked; ``WHERE`` tells the plan to have it built on the device.
"""

from __future__ import annotations

from farm_converters.onnx_to_onnx import convert

__all__ = ["ENVIRONMENT", "RUNGS", "RUNTIME", "WHERE", "convert"]

WHERE = "device"
ENVIRONMENT = "onnx"
RUNTIME = "onnxruntime"
RUNGS = {"fp32": ("slim", "plain"), "fp16": ("slim", "plain", "mixed")}
