"""One line of a comparison of runs: a series (or two, along an axis) in one metric."""

from __future__ import annotations

from dataclasses import dataclass

from farm_results.comparison import Comparison
from farm_results.environment import Difference
from farm_results.series import LOWER, SeriesKey

REGRESSED, IMPROVED, LARGE = "regressed", "improved", "noisy but large"
UNCHANGED, INCOMPARABLE, ALONE = "unchanged", "not comparable", "only in one"
SECTIONS = (REGRESSED, IMPROVED, LARGE, INCOMPARABLE, ALONE, UNCHANGED)
HIGHER_WORD, LOWER_WORD, SAME_WORD = "higher", "lower", "same"
RATIO, DIFFERENCE = "ratio", "difference"


@dataclass(frozen=True)
class Reading:
    """One side's number, over ``runs`` results; ``job_id`` and ``run_id`` are the newest one's, ``verdict``
    the worst of all.

    ``low``, ``high``: its own 95 % interval, None where there is none. ``spread``: the standard error that
    its processes tell, of the log (of the value itself for a metric whose effect is a difference), None
    where they cannot; 0 for what is counted. ``degrees``: of freedom behind it.
    """

    value: float
    low: float | None = None
    high: float | None = None
    spread: float | None = None
    degrees: float = 1.0
    runs: int = 1
    job_id: str = ""
    run_id: str = ""
    verdict: str = ""


@dataclass(frozen=True)
class Row:
    """``effect``: candidate over reference less one, with its 95 % interval [low, high]; for a metric of
    ``scale`` difference (accuracy) candidate less reference. ``p``: the chance of so large a difference by
    noise alone, ``q``: the same corrected for all rows (Benjamini and Hochberg). ``word``: higher, lower or
    same, never slower: only an A/B on the device (``confirmed``) says that. ``noise``: what the interval
    counts, in words. ``reason``: why a row is where it is. ``axis``: "onnxruntime → openvino" where the sides
    differ on purpose. ``unit``: ns, bytes, J, per_s, share or "". ``series``: of both sides; the candidate's
    where they differ.
    """

    section: str
    metric: str
    key: SeriesKey
    series: str
    reference: Reading | None
    candidate: Reading | None
    better: str = LOWER
    scale: str = RATIO
    unit: str = ""
    axis: str = ""
    effect: float | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    q: float | None = None
    word: str = ""
    noise: str = ""
    reason: str = ""
    differences: tuple[Difference, ...] = ()
    confirmed: Comparison | None = None

    @property
    def origin(self) -> str:
        """ "" for what a device measured, simulated for what none did; both sides are the same."""
        return self.key.origin


@dataclass(frozen=True)
class Compared:
    """Two sides, as people named them, row by row: by section, the largest effect first."""

    reference: str
    candidate: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = ()
    alpha: float = 0.01

    def of(self, section: str) -> tuple[Row, ...]:
        """The rows of one section."""
        return tuple(row for row in self.rows if row.section == section)
