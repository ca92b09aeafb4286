"""Robust centre and spread, and the clip that keeps single outliers from looking like steps.

Sources: F. R. Hampel, JASA 69 (1974) 383; the MAD's factors for small samples: C. Croux and P. J. Rousseeuw,
COMPSTAT (1992) 411.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAUSS = 1.4826
_SMALL = {2: 1.196, 3: 1.495, 4: 1.363, 5: 1.206, 6: 1.200, 7: 1.140, 8: 1.129, 9: 1.107}
CLIP_REACH, CLIP_SIGMAS = 5, 3.0


def centre_and_sigma(values: npt.NDArray[Any]) -> tuple[float, float]:
    """The median, and the MAD as the standard deviation of a normal sample; 0 for fewer than two values."""
    count = len(values)
    centre = float(np.median(values))
    if count < 2:
        return centre, 0.0
    factor = _SMALL.get(count, count / (count - 0.8))
    return centre, GAUSS * factor * float(np.median(np.abs(values - centre)))


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
