"""Whether outputs agree with the source model's. Infinities and NaN must stand in the same places.

Two rules. Artifacts that compute in floats are held to every single element. Rounding to 8 or 4 bits moves
single elements far, so quantised artifacts are held to the relative error of each output as one vector over
all samples. A plain cosine would not do: it is 1 for any one-element output of the right sign, and for an
output that is twice too large. ||got - want|| <= sin(angle) * ||want|| implies the cosine of that angle
(the distance of ``want`` from any line at an angle a to it is ||want|| sin a) and bounds the size as well.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any, Dict, Optional, Tuple

from farm_agent.errors import JobError
from farm_agent.late import dataclass
from farm_agent.wire import CheckResult, Tolerance

EIGHT_BITS = ("int8", "uint8")
SPAN = 255.0  # what 8-bit outputs can hold is what their errors are relative to


@dataclass(frozen=True)
class Sums:
    """What one output of one sample adds: norms squared, their product, the extremes.

    ``agrees``: infinities and NaN stand in the same places. ``reference``: the largest value, or the whole
    span of an output of 8-bit integers.
    """

    error: float = 0.0
    reference: float = 0.0
    got: float = 0.0
    want: float = 0.0
    product: float = 0.0
    difference: float = 0.0
    agrees: bool = True

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            max(self.error, other.error),
            max(self.reference, other.reference),
            self.got + other.got,
            self.want + other.want,
            self.product + other.product,
            self.difference + other.difference,
            self.agrees and other.agrees,
        )

    @property
    def cosine(self) -> float:
        """1 for equal directions; two zero vectors agree, one zero vector agrees with nothing."""
        if not self.agrees:
            return 0.0
        if self.got == 0.0 or self.want == 0.0:
            return 1.0 if self.got == self.want else 0.0
        value = self.product / math.sqrt(self.got) / math.sqrt(self.want)
        return max(-1.0, min(1.0, value)) if math.isfinite(value) else 0.0


@dataclass(frozen=True)
class Agreement:
    """One output against its reference. ``excess``: error over what is allowed; above 1 is a failure."""

    name: str
    max_abs_error: float
    max_reference: float
    cosine: float
    excess: float


class Comparison:
    """All outputs over all samples, one after another."""

    def __init__(self, tolerance: Tolerance) -> None:
        self._tolerance = tolerance
        self._sums: Dict[int, Tuple[str, Sums]] = {}
        self._single: Dict[int, Agreement] = {}

    def add(self, number: int, name: str, got: Any, want: Any) -> None:  # noqa: ANN401 - numpy arrays
        """Output ``number`` of one more sample. Raises JobError ``check.shape``."""
        part = sums(name, got, want)
        # The zero of 8-bit outputs lies anywhere: neither their direction nor their length means anything.
        if self._tolerance.cosine > 0 and str(want.dtype) not in EIGHT_BITS:
            before = self._sums.get(number, (name, Sums()))[1]
            self._sums[number] = (name, before + part)
            return
        found, known = judge(name, part, replace(self._tolerance, cosine=0.0)), self._single.get(number)
        if known is None:
            self._single[number] = found
            return
        worse = found if found.excess >= known.excess else known
        self._single[number] = Agreement(
            name,
            worse.max_abs_error,
            worse.max_reference,
            min(found.cosine, known.cosine),
            worse.excess,
        )

    def agreements(self) -> Tuple[Agreement, ...]:
        """One per output, in order; error and reference are those of the sample that fits worst."""
        found = dict(self._single)
        for number, (name, total) in self._sums.items():
            found[number] = judge(name, total, self._tolerance)
        return tuple(found[number] for number in sorted(found))

    def worst(self) -> Optional[Agreement]:
        """The output that fits worst, the later one of two equals; None before the first output."""
        worst: Optional[Agreement] = None
        for found in self.agreements():
            worst = found if worst is None or found.excess >= worst.excess else worst
        return worst

    def result(self, samples: int) -> CheckResult:
        """Error and reference are those of the output that fits worst."""
        worst = self.worst()
        if worst is None:
            return CheckResult(passed=True, max_abs_error=0.0, max_reference=0.0, cosine=1.0, samples=samples)
        cosine = min(found.cosine for found in self.agreements())
        return CheckResult(worst.excess <= 1.0, worst.max_abs_error, worst.max_reference, cosine, samples)


def compare(name: str, got: Any, want: Any, tolerance: Tolerance) -> Agreement:  # noqa: ANN401 - numpy arrays
    """One output of one sample. Raises JobError ``check.shape``."""
    return judge(name, sums(name, got, want), tolerance)


def judge(name: str, total: Sums, tolerance: Tolerance) -> Agreement:
    """``total`` by the rule that ``tolerance`` names."""
    if not total.agrees:
        return Agreement(name, float("inf"), total.reference, 0.0, float("inf"))
    if tolerance.cosine > 0:
        excess = _relative_excess(total, tolerance)
    else:
        excess = _ratio(total.error, tolerance.atol + tolerance.rtol * total.reference)
    return Agreement(name, total.error, total.reference, total.cosine, excess)


def sums(name: str, got: Any, want: Any) -> Sums:  # noqa: ANN401 - numpy arrays
    """Sums over one output of one sample, in float64. Raises JobError ``check.shape``."""
    import numpy as np

    if got.shape != want.shape:
        if [n for n in got.shape if n != 1] != [n for n in want.shape if n != 1]:
            raise JobError(
                f"the output {name} has the shape {list(got.shape)} here, not {list(want.shape)}",
                code="check.shape",
                fix="convert the model again; if it stays, this conversion cannot be used",
            )
        got = got.reshape(want.shape)
    eight_bits = str(want.dtype) in EIGHT_BITS
    got, want = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    finite = np.isfinite(want)
    reference = float(np.abs(want[finite]).max()) if finite.any() else 0.0
    reference = SPAN if eight_bits else reference
    rest_agrees = np.array_equal(got[~finite], want[~finite], equal_nan=True)
    if not rest_agrees or not np.isfinite(got[finite]).all():
        return Sums(error=float("inf"), reference=reference, agrees=False)
    got, want = got[finite], want[finite]
    with np.errstate(over="ignore"):  # squares beyond float64 become infinite, which no rule accepts
        difference = got - want
        return Sums(
            error=float(np.abs(difference).max()) if want.size else 0.0,
            reference=reference,
            got=float(np.dot(got, got)),
            want=float(np.dot(want, want)),
            product=float(np.dot(got, want)),
            difference=float(np.dot(difference, difference)),
        )


def _relative_excess(total: Sums, tolerance: Tolerance) -> float:
    """What is near zero everywhere has no direction to keep: it may be off by ``atol``."""
    if total.error <= tolerance.atol:
        return total.error / tolerance.atol if tolerance.atol > 0 else 0.0
    allowed = (1.0 - tolerance.cosine**2) * total.want
    if not math.isfinite(total.difference) or not math.isfinite(allowed):
        return float("inf")
    return math.sqrt(_ratio(total.difference, allowed))


def _ratio(value: float, allowed: float) -> float:
    return value / allowed if allowed > 0 else (0.0 if value == 0 else float("inf"))
