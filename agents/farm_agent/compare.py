"""Whether outputs agree with the source model's. Infinities and NaN must stand in the same places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from farm_agent.errors import JobError
from farm_agent.wire import CheckResult, Tolerance


@dataclass(frozen=True)
class Agreement:
    """One output against its reference. ``excess``: error over what is allowed; above 1 is a failure."""

    max_abs_error: float
    max_reference: float
    cosine: float
    excess: float


NOTHING = CheckResult(passed=True, max_abs_error=0.0, max_reference=0.0, cosine=1.0, samples=0)


def compare(name: str, got: Any, want: Any, tolerance: Tolerance) -> Agreement:  # noqa: ANN401 - numpy arrays
    """|got - want| <= atol + rtol * max|want| for every element. Raises JobError ``check.shape``."""
    import numpy as np

    if got.shape != want.shape:
        if [n for n in got.shape if n != 1] != [n for n in want.shape if n != 1]:
            raise JobError(
                f"the output {name} has the shape {list(got.shape)} here, not {list(want.shape)}",
                code="check.shape",
                fix="convert the model again; if it stays, this conversion cannot be used",
            )
        got = got.reshape(want.shape)
    got, want = got.astype(np.float64).ravel(), want.astype(np.float64).ravel()
    finite = np.isfinite(want)
    reference = float(np.abs(want[finite]).max()) if finite.any() else 0.0
    allowed = tolerance.atol + tolerance.rtol * reference
    rest_agrees = np.array_equal(got[~finite], want[~finite], equal_nan=True)
    if not rest_agrees or not np.isfinite(got[finite]).all():
        return Agreement(float("inf"), reference, 0.0, float("inf"))
    got, want = got[finite], want[finite]
    error = float(np.abs(got - want).max()) if want.size else 0.0
    excess = error / allowed if allowed > 0 else (0.0 if error == 0 else float("inf"))
    return Agreement(error, reference, _cosine(got, want), excess)


def merge(result: CheckResult, agreement: Agreement, worst: float) -> CheckResult:
    """``result`` with one more output. Error and reference are those of the output that fits worst."""
    new_worst = agreement.excess >= worst
    return CheckResult(
        passed=result.passed and agreement.excess <= 1.0,
        max_abs_error=agreement.max_abs_error if new_worst else result.max_abs_error,
        max_reference=agreement.max_reference if new_worst else result.max_reference,
        cosine=min(result.cosine, agreement.cosine),
        samples=result.samples,
    )


def _cosine(got: Any, want: Any) -> float:  # noqa: ANN401
    """1 for equal directions; two zero vectors agree, one zero vector agrees with nothing."""
    import numpy as np

    lengths = float(np.linalg.norm(got)), float(np.linalg.norm(want))
    if lengths[0] == 0.0 or lengths[1] == 0.0:
        return 1.0 if lengths[0] == lengths[1] else 0.0
    value = float(np.dot(got / lengths[0], want / lengths[1]))
    return max(-1.0, min(1.0, value))
