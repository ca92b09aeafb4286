"""Robust centre and spread, and the clip that keeps single outliers from looking like steps.

The spread is Qn (P. J. Rousseeuw and C. Croux, JASA 88 (1993) 1273): as deaf to outliers as the MAD, up to
half of all values, with 82 % of the standard deviation's efficiency instead of 37 %. That counts in a series'
first nights: of ten normal values, the MAD is below a third of the truth once in 50 times, Qn once in 200.
The clip is F. R. Hampel's (JASA 69 (1974) 383), by the MAD.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAUSS = 1.4826
_QN = 2.2219
_SMALL = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}
CLIP_REACH, CLIP_SIGMAS = 5, 3.0


def centre_and_sigma(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The median, and Qn as the standard deviation of a normal sample; 0 for fewer than two values."""
    count = len(values)
    centre = float(np.median(values))
    if count < 2:
        return centre, 0.0
    rows, columns = np.triu_indices(count, 1)
    half = count // 2 + 1
    rank = half * (half - 1) // 2
    gaps = np.abs(values[rows] - values[columns])
    quartile = float(np.partition(gaps, rank - 1)[rank - 1])
    factor = _SMALL.get(count, count / (count + (1.4 if count % 2 else 3.8)))
    return centre, _QN * factor * quartile


def hampel(values: Floats, reach: int = CLIP_REACH, sigmas: float = CLIP_SIGMAS) -> Floats:
    """Each value moved no further than ``sigmas`` robust deviations from the median of its neighbours
    (``reach`` on each side, at the ends as many as there are on one side more)."""
    count, width = len(values), 2 * reach + 1
    if count < 3:
        return values.copy()
    if count <= width:
        centre, sigma = centre_and_sigma(values)
        return np.clip(values, centre - sigmas * sigma, centre + sigmas * sigma)
    starts = np.clip(np.arange(count) - reach, 0, count - width)
    windows = np.lib.stride_tricks.sliding_window_view(values, width)[starts]
    centres = np.median(windows, axis=1)
    factor = GAUSS * width / (width - 0.8)
    spreads = factor * np.median(np.abs(windows - centres[:, None]), axis=1)
    clipped: Floats = np.clip(values, centres - sigmas * spreads, centres + sigmas * spreads)
    return clipped
