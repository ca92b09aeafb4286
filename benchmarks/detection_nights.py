"""Simulated nights for ``detection.py``: one number a night, with or without a step, and a night's A/B."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

NIGHTS, STEP_AT, WARM = 120, 60, 30
NOISE = 0.02
KINDS = ("gauss", "outliers", "ar1")
OUTLIER_SHARE, OUTLIER_LOW, OUTLIER_HIGH = 0.05, 0.08, 0.30
LIKENESS = 0.5
CHANGE_SHARE = 0.1
PAIRS, PAIR_NOISE = 20, 0.01


@dataclass(frozen=True)
class Series:
    """``values`` in ns; ``truth``: by how much (log) the candidate really is slower than the reference;
    ``artifacts``: which artifact ran."""

    number: int
    values: Floats
    truth: Floats
    artifacts: tuple[str, ...]


def series(kind: str, count: int, step: float, seed: int) -> list[Series]:
    """``count`` series of 120 nights with 2 % noise; from night 60 on ``step`` (0.03 for 3 %) slower.

    outliers: 5 % of the nights are 8 to 30 % slower; ar1: neighbouring nights resemble each other (0.5).
    """
    found = []
    for number in range(count):
        rng = np.random.default_rng((seed, KINDS.index(kind), round(step * 1e6), number))
        noise = rng.normal(0.0, NOISE, NIGHTS)
        if kind == "ar1":
            for night in range(1, NIGHTS):
                noise[night] = LIKENESS * noise[night - 1] + np.sqrt(1 - LIKENESS**2) * noise[night]
        if kind == "outliers":
            noise += _outliers(rng, NIGHTS)
        truth = np.where(np.arange(NIGHTS) >= STEP_AT, np.log1p(step), 0.0)
        found.append(Series(number, 5e6 * np.exp(noise + truth), truth, _artifacts(step, seed, number)))
    return found


def _artifacts(step: float, seed: int, number: int) -> tuple[str, ...]:
    """Another artifact every tenth night or so, which changes nothing, and on the night of the step."""
    new = np.random.default_rng((seed, number)).random(NIGHTS) < CHANGE_SHARE
    new[STEP_AT] |= step != 0.0
    return tuple(f"artifact-{count}" for count in np.cumsum(new))


def pairs(truth: float, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Process medians of 20 interleaved pairs: what the night is like moves both alike, so only the noise of
    each process is left (1 %, and one in twenty 8 to 30 % slower)."""
    reference = rng.normal(0.0, PAIR_NOISE, PAIRS) + _outliers(rng, PAIRS)
    candidate = rng.normal(truth, PAIR_NOISE, PAIRS) + _outliers(rng, PAIRS)
    return 5e6 * np.exp(reference), 5e6 * np.exp(candidate)


def _outliers(rng: np.random.Generator, count: int) -> Floats:
    hit = rng.random(count) < OUTLIER_SHARE
    sizes: Floats = np.where(hit, np.log1p(rng.uniform(OUTLIER_LOW, OUTLIER_HIGH, count)), 0.0)
    return sizes
