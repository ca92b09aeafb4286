"""Tensors of the source model and of the artifact, and how they belong together."""

from __future__ import annotations

from typing import Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob


@dataclass(frozen=True)
class TensorSpec:
    """One input or output. ``dtype`` is numpy's name; every dimension is fixed."""

    name: str
    dtype: str
    shape: Tuple[int, ...]


@dataclass(frozen=True)
class TensorMap:
    """How a tensor of the source model appears in the artifact.

    ``permutation``: axis k of the artifact's tensor is axis permutation[k] of the source's; None if equal.
    ``scale``: the artifact holds integers where the source has floats: real = scale * (integer - zero_point).
    """

    source: TensorSpec
    artifact: TensorSpec
    permutation: Optional[Tuple[int, ...]] = None
    scale: Optional[float] = None
    zero_point: int = 0


@dataclass(frozen=True)
class ArtifactSpec:
    """A converted model. ``files[0]`` is the one the runtime opens."""

    format: str
    precision: str
    files: Tuple[Blob, ...]
    inputs: Tuple[TensorMap, ...]
    outputs: Tuple[TensorMap, ...]
