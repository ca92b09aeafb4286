"""The words for a precision that can be asked for, and what each promises."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Dict, Tuple


@dataclass(frozen=True)
class Precision:
    """``computes``: what the operators that carry weights execute in, in the words of PrecisionProof;
    ``stores``: what their weights are stored in. Empty: no promise. ``calibrated``: needs samples of real
    inputs."""

    name: str
    computes: Tuple[str, ...] = ()
    stores: Tuple[str, ...] = ()
    calibrated: bool = False

    @property
    def quantised(self) -> bool:
        """Whether outputs may differ from the source's by more than rounding of floats."""
        return any(word.startswith("int") for word in (*self.computes, *self.stores))


_ALL = (
    Precision("fp32", computes=("fp32",)),
    # weights in float16; what a runtime without float16 kernels widens them to is told, not hidden
    Precision("fp16", computes=("fp16",), stores=("fp16",)),
    # static: weights and activations, ranges from calibration
    Precision("int8", computes=("int8",), stores=("int8",), calibrated=True),
    # dynamic: weights in int8, activations quantised at run time by their own range
    Precision("int8-dynamic", computes=("int8",), stores=("int8",)),
    # weight-only: stored small, computed in floats
    Precision("int8-weights", stores=("int8",)),
    Precision("int4-weights", stores=("int4",)),
)
KNOWN: Dict[str, Precision] = {precision.name: precision for precision in _ALL}
NAMES: Tuple[str, ...] = tuple(KNOWN)


def of(name: str) -> Precision:
    """The precision called ``name``; one without promises for a word that is not known here."""
    return KNOWN.get(name, Precision(name))
