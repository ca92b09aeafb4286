"""What a model file is, as far as it can be known without running it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class InputSpec:
    """A source model's input. ``shape`` holds ints, names of free dimensions, or None for nameless ones."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...]


@dataclass(frozen=True)
class OutputSpec:
    """A source model's output; the shape may be unknown altogether (None)."""

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass(frozen=True)
class Origin:
    """The file (or folder) that an ONNX model was imported from, by which packages, and how far the outputs
    of both were apart (``max_abs_error``, ``max_rel_error``, ``samples``)."""

    path: str
    format: str
    sha256: str
    toolchain: Mapping[str, str]
    check: Mapping[str, float]


@dataclass(frozen=True)
class Model:
    """A model file. ``origin``: what it was imported from, if it was not ONNX. ``sha256`` covers the file and
    its external data; ``operators`` counts node types;
    ``precision``: the reduced one that its tensors have, where the reader of its format tells."""

    path: Path
    format: str
    sha256: str
    size_bytes: int
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    opsets: dict[str, int] = field(default_factory=dict)
    ir_version: int = 0
    operators: dict[str, int] = field(default_factory=dict)
    parameters: int = 0
    producer: str = ""
    caveats: tuple[str, ...] = ()
    origin: Origin | None = None
    precision: str = ""

    @property
    def name(self) -> str:
        """The stem of the file that the user named: what tables and selectors call it."""
        return Path(self.origin.path).stem if self.origin else self.path.stem

    @property
    def native_precision(self) -> str:
        """The reduced precision that the model itself holds: "int8", "fp16" or "" for none."""
        if self.precision:
            return self.precision
        if any(name.endswith("QuantizeLinear") or name.startswith("QLinear") for name in self.operators):
            return "int8"
        dtypes = {spec.dtype for spec in self.inputs} | {spec.dtype for spec in self.outputs}
        return "fp16" if "float16" in dtypes else ""
