"""What the tests of native sessions share: the packed loop, both kinds of session, and inputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from farm_agent import facts, native, native_build, runtimes
from farm_agent.wire import ArtifactSpec, Blob, TensorMap, TensorSpec
from tests.support import need

from .parts import write_model
from .tflite_model import write_tflite

NAMES = ("litert", "onnxruntime", "openvino")
OPTIONS = {"threads": 1, "precision": "fp32"}


@pytest.fixture
def packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The native loop where the packed agent would find it."""
    try:
        binaries = native_build.binaries()
    except native_build.NotBuilt as reason:
        need(condition=False, reason=str(reason))
    monkeypatch.setattr(
        native, "_resource", lambda name: binaries.get(Path(name).stem) if name.endswith(".so") else None
    )


def usable(name: str) -> Any:
    found = facts.probe(name)
    need(found.version, f"{name} is not installed: {found.unavailable}")
    return runtimes.load(name)


def sizes(session: Any) -> dict[str, tuple[int, ...]]:
    """What a conversion would know: every tensor's size for zeros with free dimensions of one."""
    inputs = {spec.name: tuple(abs(size) for size in spec.shape) for spec in session.inputs()}
    session.bind({spec.name: np.zeros(inputs[spec.name], spec.dtype) for spec in session.inputs()})
    session.call()
    return {**inputs, **{name: array.shape for name, array in session.fetch().items()}}


def inputs_of(session: Any, known: dict[str, tuple[int, ...]], seed: int) -> dict[str, Any]:
    random = np.random.default_rng(seed)
    return {
        spec.name: np.asarray(
            random.standard_normal(known[spec.name])
            if spec.dtype.startswith("float")
            else random.integers(0, 2, known[spec.name])
        ).astype(spec.dtype)
        for spec in session.inputs()
    }


def small_model(name: str, folder: Path) -> Path:
    if name == "litert":
        usable(name)
        return write_tflite(folder / "model.tflite")
    return write_model(folder / "model.onnx")


def spec_of(path: Path, known: dict[str, tuple[int, ...]]) -> ArtifactSpec:
    maps = tuple(
        TensorMap(TensorSpec(name, "float32", shape), TensorSpec(name, "float32", shape))
        for name, shape in known.items()
    )
    return ArtifactSpec("any", "fp32", (Blob("0" * 64, 1, path.name),), maps[:1], maps[1:])
