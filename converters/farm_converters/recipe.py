"""What is asked of a conversion, and what came out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from farm_agent import precisions
from farm_agent.wire import ArtifactSpec, Golden, PrecisionProof
from farm_converters.calibration import Calibration

FORMATS = ("onnx", "openvino", "tflite", "tensorrt", "rtx")
PRECISIONS = precisions.NAMES


@dataclass(frozen=True)
class Recipe:
    """Target format and precision, every input's fixed shape, and the seed of the golden inputs.

    ``inputs_sha256`` and ``inputs_path`` name the user's own sample inputs (an .npz), if any. ``exclude``:
    source nodes that stay in floats, by name, or ``op:TYPE`` for all of a type. ``options`` are the
    converter's own, from the profile's target (``activations = "s8"``) or the command line.
    """

    format: str
    precision: str = "fp32"
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    seed: int = 0
    inputs_path: Path | None = None
    inputs_sha256: str = ""
    calibration: Calibration | None = None
    exclude: tuple[str, ...] = ()
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def sample_inputs(self) -> tuple[Path | None, str]:
        """File and hash of what the check runs on: the user's inputs, else calibration samples; (None,
        "")."""
        if self.inputs_path is not None or self.inputs_sha256:
            return self.inputs_path, self.inputs_sha256
        if self.calibration is not None and self.calibration.kind == "data":
            return self.calibration.path, self.calibration.sha256
        return None, ""


@dataclass(frozen=True)
class CheckReport:
    """The artifact was run on its own runtime on the host and its outputs compared with the source's."""

    passed: bool
    max_abs_error: float
    max_reference: float
    cosine: float
    samples: int
    runtime: str
    runtime_version: str
    proof: PrecisionProof | None = None


@dataclass(frozen=True)
class Artifact:
    """A converted, checked model in the cache. ``paths`` are in the order of ``spec.files``.

    ``golden_path`` is the file behind ``golden.blob``. ``where`` is "host", or "device" for an edge
    that only the target can walk; then ``paths`` holds the prepared ONNX file and ``check`` is None. It is
    None, too, for what was compiled for a machine of another kind and cannot be run here.
    ``calibration``: "200 samples", "32 random samples", or "" where none was used.
    """

    key: str
    spec: ArtifactSpec
    paths: tuple[Path, ...]
    golden: Golden | None
    golden_path: Path | None
    check: CheckReport | None
    toolchain: Mapping[str, str]
    seconds: float
    cached: bool
    where: str = "host"
    caveats: tuple[str, ...] = ()
    calibration: str = ""

    @property
    def size_bytes(self) -> int:
        """Sum over the artifact's files."""
        return sum(blob.size_bytes for blob in self.spec.files)
