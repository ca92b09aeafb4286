"""Scores and points made for tests."""

from __future__ import annotations

from farm.devices.device import Device
from farm.tune.front import Entry
from farm.tune.score import STAGES, Score, Value
from farm.tune.space import Point, Space
from farm_profiles import Target
from farm_profiles.load import load_profile

WHOLE = STAGES[2]


def score(
    latency: float,
    size: float = 1000.0,
    *,
    spread: float = 0.0,
    stage: str = WHOLE,
    status: str = "ok",
    verdict: str = "valid",
    job: str = "job",
) -> Score:
    """A score of ``latency`` ns within ``spread`` (a share) and ``size`` bytes."""
    values = {
        "latency": Value(latency, latency * (1 - spread), latency * (1 + spread)),
        "size": Value(size, size, size),
    }
    return Score(stage, job, "run", status, verdict, values=values if status == "ok" else {}, device_s=2.0)


def entry(key: str, latency: float, size: float = 1000.0, **words: object) -> Entry:
    """The same with a name."""
    return Entry(key, score(latency, size, **words))  # type: ignore[arg-type]


def space(runtimes: int = 2, threads: int = 3) -> Space:
    """So many runtimes at fp32 and fp16, each with 1, 2, ... threads."""
    names = ("onnxruntime", "openvino", "litert")[:runtimes]
    points = [
        Point(Target("onnx", name, precision, count))
        for name in names
        for precision in ("fp32", "fp16")
        for count in range(1, threads + 1)
    ]
    return Space(Device("desk", "x86-cpu", "local"), load_profile("x86-cpu"), tuple(points))
