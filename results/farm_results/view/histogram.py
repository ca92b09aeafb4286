"""How often each latency came: even bins for the body, growing ones for the tail."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from farm_results import text
from farm_results.statistics.stats import mad
from farm_results.view import Line
from farm_results.view.bars import bar

BODY_BINS, TAIL_BINS = 10, 7
# Where the body ends: so many median deviations above the median, or at this quantile if that is nearer.
BODY_MADS, BODY_SHARE = 10.0, 0.99
# A tail is worth bins of its own from this ratio of the maximum to the body's end.
TAIL_RATIO = 1.5
_DIGITS = range(3, 10)

Floats = npt.NDArray[np.float64]


def edges(taken: Floats) -> Floats:
    """Ascending edges that enclose every value: even in the body, then each bin wider than the last by the
    same factor."""
    low, high = float(taken.min()), float(taken.max())
    if high <= low:
        return np.array([low, max(low + 1.0, low * 1.001)])
    body = float(np.quantile(taken, BODY_SHARE))
    spread = mad(taken)
    if spread > 0:
        body = min(body, float(np.median(taken)) + BODY_MADS * spread)
    if low <= 0 or body <= low or high < TAIL_RATIO * body:
        return np.linspace(low, high, BODY_BINS + TAIL_BINS + 1)
    tail = np.geomspace(body, high, TAIL_BINS + 1)[1:]
    return np.concatenate([np.linspace(low, body, BODY_BINS + 1), tail])


def counts(taken: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
    """(edges, how many values lie between two of them)."""
    found = edges(taken)
    # The last edge may have been rounded below the maximum.
    found[-1] = max(found[-1], float(taken.max()))
    return found, np.histogram(taken, bins=found)[0].astype(np.int64)


def lines(blocks: Sequence[Floats], width: int) -> list[Line]:
    """A row per bin: its range, a bar, its count. All processes together."""
    if not blocks:
        return []
    found, many = counts(np.concatenate(blocks))
    names = _names(found[:-1].tolist())
    left = max(len(name) for name in names)
    right = len(str(many.max()))
    room = max(8, width - left - right - 4)
    return [
        Line(f"{name:>{left}}  {bar(count / many.max(), room):<{room}}  {count:>{right}}".rstrip())
        for name, count in zip(names, many.tolist(), strict=True)
    ]


def _names(edges_ns: Sequence[float]) -> list[str]:
    """Times with as many digits as tell neighbours apart; three where they are far apart anyway."""
    for digits in _DIGITS:
        names = [_name(edge, digits) for edge in edges_ns]
        if len(set(names)) == len(names):
            break
    near = [True, *(after < 1.1 * before for before, after in itertools.pairwise(edges_ns))]
    return [
        name if close else _name(edge, 3) for name, edge, close in zip(names, edges_ns, near, strict=True)
    ]


def _name(edge_ns: float, digits: int) -> str:
    unit, size = text.unit_of(edge_ns)
    return f"{text.number(edge_ns / size, digits)} {unit}"
