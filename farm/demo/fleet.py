"""Who is in the simulated fleet: six devices, and what each of them runs every night."""

from __future__ import annotations

from dataclasses import dataclass

GIB = 1 << 30
CANARY = "digits"


@dataclass(frozen=True)
class Network:
    """A model that exists by name only. ``megabytes``: of its fp32 artifact; ``layers``: operators with their
    share of the time; ``accuracy``: top-1 in fp32, and what int8 costs."""

    name: str
    megabytes: float
    layers: tuple[tuple[str, float], ...]
    accuracy: float
    int8_cost: float = 0.0


@dataclass(frozen=True)
class Machine:
    """A device that does not exist. ``night``, ``between``: spread from night to night and from process to
    process, as shares; ``idle_w`` and ``busy_w``: None where it has no power sensor."""

    name: str
    profile: str
    title: str
    cpu: str
    arch: str
    cores: int
    memory_gib: int
    os: str
    kernel: str
    night: float
    between: float
    clock_khz: int
    warm_c: float
    sensor: str = ""
    scope: str = ""
    idle_w: float = 0.0
    busy_w: float = 0.0


@dataclass(frozen=True)
class Entry:
    """One cell: what is measured every night, and how long it takes."""

    device: str
    model: str
    format: str
    runtime: str
    precision: str
    threads: int
    milliseconds: float


_CONV = (
    ("Conv", 0.34),
    ("Conv", 0.22),
    ("DepthwiseConv", 0.14),
    ("Add", 0.05),
    ("Conv", 0.12),
    ("Pool", 0.04),
)
NETWORKS = (
    Network(CANARY, 0.02, (("Conv", 0.55), ("Gemm", 0.35), ("Softmax", 0.10)), 0.972),
    Network("mobilenet", 13.9, (*_CONV, ("Gemm", 0.07), ("Softmax", 0.02)), 0.718, 0.006),
    Network("detector", 12.6, (*_CONV, ("Resize", 0.04), ("Concat", 0.02), ("Sigmoid", 0.03)), 0.641, 0.011),
    Network("keywords", 0.21, (("Conv", 0.5), ("Pool", 0.1), ("Gemm", 0.3), ("Softmax", 0.1)), 0.936, 0.004),
)

# fmt: off
MACHINES = (
    Machine("demo-rpi3", "rpi3", "Raspberry Pi 3 Model B", "Cortex-A53", "armv7l", 4, 1,
            "Raspberry Pi OS 12", "6.6.51+rpt-rpi-v7", 0.016, 0.006, 1_200_000, 58.0),
    Machine("demo-rpi4", "rpi4", "Raspberry Pi 4 Model B", "Cortex-A72", "aarch64", 4, 4,
            "Raspberry Pi OS 12", "6.6.51+rpt-rpi-v8", 0.008, 0.004, 1_800_000, 54.0),
    Machine("demo-rpi5", "rpi5", "Raspberry Pi 5 Model B", "Cortex-A76", "aarch64", 4, 8,
            "Raspberry Pi OS 12", "6.6.51+rpt-rpi-2712", 0.008, 0.004, 2_400_000, 52.0,
            "pmic", "rail_sum", 2.4, 6.1),
    Machine("demo-jetson", "jetson-orin-nano", "Jetson Orin Nano", "Cortex-A78AE", "aarch64", 6, 8,
            "Ubuntu 22.04", "5.15.148-tegra", 0.012, 0.006, 1_510_000, 49.0,
            "ina3221", "module_input", 4.6, 9.8),
    Machine("demo-n100", "x86-cpu", "Mini PC", "Intel N100", "x86_64", 4, 16,
            "Debian 12", "6.1.0-28-amd64", 0.006, 0.003, 3_400_000, 61.0, "rapl", "package", 2.9, 11.5),
    Machine("demo-pixel", "pixel", "Pixel 8", "Cortex-X3", "aarch64", 9, 8,
            "Android 15", "6.1.75-android14", 0.015, 0.005, 2_910_000, 38.0),
)

ENTRIES = (
    Entry("demo-rpi3", CANARY, "tflite", "litert", "fp32", 1, 0.31),
    Entry("demo-rpi3", "mobilenet", "tflite", "litert", "int8", 4, 96.0),
    Entry("demo-rpi3", "keywords", "tflite", "litert", "int8", 1, 6.2),
    Entry("demo-rpi3", "detector", "tflite", "litert", "fp32", 4, 0.0),
    Entry("demo-rpi4", CANARY, "onnx", "onnxruntime", "fp32", 1, 0.049),
    Entry("demo-rpi4", "mobilenet", "onnx", "onnxruntime", "fp32", 4, 41.5),
    Entry("demo-rpi4", "mobilenet", "tflite", "litert", "int8", 4, 19.8),
    Entry("demo-rpi4", "detector", "onnx", "onnxruntime", "fp32", 4, 128.0),
    Entry("demo-rpi5", CANARY, "onnx", "onnxruntime", "fp32", 1, 0.021),
    Entry("demo-rpi5", "mobilenet", "onnx", "onnxruntime", "fp32", 4, 12.4),
    Entry("demo-rpi5", "mobilenet", "onnx", "onnxruntime", "int8", 4, 6.9),
    Entry("demo-rpi5", "mobilenet", "tflite", "litert", "int8", 4, 5.2),
    Entry("demo-rpi5", "detector", "onnx", "onnxruntime", "fp32", 4, 47.0),
    Entry("demo-rpi5", "detector", "tflite", "litert", "int8", 4, 24.6),
    Entry("demo-rpi5", "keywords", "tflite", "litert", "int8", 1, 0.94),
    Entry("demo-jetson", CANARY, "onnx", "onnxruntime", "fp32", 1, 0.038),
    Entry("demo-jetson", "mobilenet", "tensorrt", "tensorrt", "fp16", 1, 1.02),
    Entry("demo-jetson", "mobilenet", "tensorrt", "tensorrt", "int8", 1, 0.71),
    Entry("demo-jetson", "detector", "tensorrt", "tensorrt", "fp16", 1, 4.35),
    Entry("demo-jetson", "detector", "tensorrt", "tensorrt", "int8", 1, 2.9),
    Entry("demo-n100", CANARY, "onnx", "onnxruntime", "fp32", 1, 0.013),
    Entry("demo-n100", "mobilenet", "openvino", "openvino", "fp32", 4, 5.6),
    Entry("demo-n100", "mobilenet", "openvino", "openvino", "int8", 4, 2.3),
    Entry("demo-n100", "mobilenet", "onnx", "onnxruntime", "fp32", 4, 7.4),
    Entry("demo-n100", "detector", "openvino", "openvino", "fp32", 4, 21.0),
    Entry("demo-n100", "keywords", "openvino", "openvino", "fp32", 1, 0.42),
    Entry("demo-pixel", CANARY, "tflite", "litert", "fp32", 1, 0.018),
    Entry("demo-pixel", "mobilenet", "tflite", "litert", "fp32", 4, 8.8),
    Entry("demo-pixel", "mobilenet", "tflite", "litert", "int8", 4, 4.1),
    Entry("demo-pixel", "keywords", "tflite", "litert", "int8", 1, 0.55),
)
# fmt: on
VERSIONS = {"onnxruntime": "1.27.0", "litert": "2.2.0", "openvino": "2026.4.0", "tensorrt": "10.3.0"}
CONVERTERS = {
    "onnx": ("onnx", "1.20.0"),
    "tflite": ("litert-converter", "0.6.0"),
    "openvino": ("openvino", "2026.4.0"),
    "tensorrt": ("tensorrt", "10.3.0"),
}


def machine(name: str) -> Machine:
    """The device of that name."""
    return next(each for each in MACHINES if each.name == name)


def network(name: str) -> Network:
    """The model of that name."""
    return next(each for each in NETWORKS if each.name == name)
