"""The words for a precision that can be asked for, what each promises, and whether a proof keeps it."""

from __future__ import annotations

from typing import Dict, Mapping, Optional, Tuple

from farm_agent.late import dataclass
from farm_agent.wire import PrecisionProof

# Bytes that one element takes, by the words of PrecisionProof.
_WIDTHS = {"fp64": 8.0, "fp32": 4.0, "fp16": 2.0, "bf16": 2.0, "fp8": 1.0, "int8": 1.0, "int4": 0.5}


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


def share(asked: str, proof: Optional[PrecisionProof]) -> Optional[float]:
    """Share (0..1) of what ``asked`` promises that ``proof`` shows; None where the runtime does not tell.

    Integer precisions that promise how they compute: the operators that carry weights and compute so. Weight-
    only ones: the elements of the weights that are stored so. fp16 promises the storage, and counts as
    kept where it is computed in, too. A network without weights counts all of its operators.
    """
    if proof is None:
        return None
    promise = of(asked)
    computed = _part(computing(proof), promise.computes)
    stored = _part(elements(proof), promise.stores)
    if asked == "fp16":
        known = [part for part in (computed, stored) if part is not None]
        return max(known) if known else None
    return computed if promise.computes else stored


def refusal(asked: str, proof: Optional[PrecisionProof]) -> str:
    """Why an artifact with this ``proof`` must not be called ``asked``; "" where it may, or nobody knows.

    Reduced precisions alone: an artifact named fp32 of a model that is itself quantised is no lie.
    """
    if asked == "fp32" or share(asked, proof) != 0.0 or proof is None:
        return ""
    if asked == "fp16" and (not proof.weights or any(_WIDTHS.get(name, 4) <= 2 for name in proof.weights)):
        return ""  # nobody knows how it is stored; or smaller still, since the model itself is quantised
    promise = of(asked)
    if promise.computes and asked != "fp16":
        return f"none of its operators computes in {promise.computes[0]} ({counts(computing(proof))})"
    where = f"its weights are stored in {'/'.join(sorted(proof.weights))}"
    return f"{where}, and it computes in {proof.executed}" if asked == "fp16" else where


def computing(proof: PrecisionProof) -> Dict[str, int]:
    """Operators that carry weights, else all, by the precision they compute in."""
    for found in (proof.weighted, proof.operators):
        real = {name: count for name, count in found.items() if name != "other"}
        if real:
            return real
    return {}


def elements(proof: PrecisionProof) -> Dict[str, float]:
    """Elements of the constant weights, by the precision they are stored in."""
    return {name: size / _WIDTHS[name] for name, size in proof.weights.items() if name in _WIDTHS}


def counts(operators: Dict[str, int]) -> str:
    """Such as ``5 fp32, 2 int8``: the most frequent first."""
    ordered = sorted(operators.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} {name}" for name, count in ordered)


def _part(found: Mapping[str, float], wanted: Tuple[str, ...]) -> Optional[float]:
    total = sum(found.values())
    return sum(found.get(name, 0) for name in wanted) / total if total and wanted else None
