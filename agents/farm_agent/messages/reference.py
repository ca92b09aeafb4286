"""What the artifact is held against: the source model's outputs, and the precision that was asked for."""

from __future__ import annotations

from dataclasses import field
from typing import Dict

from farm_agent.late import dataclass
from farm_agent.messages.blob import Blob


@dataclass(frozen=True)
class Tolerance:
    """When outputs agree.

    |got - want| <= atol + rtol * max|want| for every element of every sample. Where ``cosine`` is above zero
    (quantised artifacts) another rule holds: the relative error of each output over all samples, ||got -
    want|| / ||want||, is at most the sine of that angle, from which follows that their cosine is at least
    ``cosine``; or no element is off by more than ``atol`` (see ``farm_agent.compare``).
    """

    atol: float
    rtol: float
    cosine: float = 0.0


@dataclass(frozen=True)
class Golden:
    """Fixed inputs and the source model's outputs: an .npz with keys ``in.K.I`` and ``out.K.J``.

    K counts the samples, I and J the source model's inputs and outputs, in order.
    """

    blob: Blob
    samples: int
    tolerance: Tolerance


@dataclass(frozen=True)
class CheckResult:
    """The artifact's outputs on this device against the source model's, over all golden samples."""

    passed: bool
    max_abs_error: float
    max_reference: float
    cosine: float
    samples: int


@dataclass(frozen=True)
class PrecisionProof:
    """What really ran, as the runtime itself tells: operators per executed precision.

    ``executed`` is the most frequent precision among the operators that compute; ``source`` says which
    interface of the runtime told it. ``weighted``: the same count over the operators that carry weights
    (convolutions, matrix products, recurrent cells) alone; ``weights``: bytes of constant weights per type
    that they are stored in, in the loaded model. Both are empty where the runtime does not tell.
    """

    executed: str
    operators: Dict[str, int]
    source: str
    weighted: Dict[str, int] = field(default_factory=dict)
    weights: Dict[str, int] = field(default_factory=dict)
