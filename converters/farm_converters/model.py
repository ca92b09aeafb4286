"""What a model file is, as far as it can be known without running it."""

from __future__ import annotations

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
class Model:
    """A model file. ``sha256`` covers the file and its external data; ``operators`` counts node types."""

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

    @property
    def name(self) -> str:
        """The file's stem: what tables and selectors call it."""
        return self.path.stem

    @property
    def native_precision(self) -> str:
        """The reduced precision that the model itself holds: "int8", "fp16" or "" for none."""
        if any(name.endswith("QuantizeLinear") or name.startswith("QLinear") for name in self.operators):
            return "int8"
        dtypes = {spec.dtype for spec in self.inputs} | {spec.dtype for spec in self.outputs}
        return "fp16" if "float16" in dtypes else ""
